/* The functions of the XNNPACK delegate of TensorFlow Lite that the crate tflitec calls, for its bindings. */
#ifndef CATDOG_XNNPACK_DELEGATE_H
#define CATDOG_XNNPACK_DELEGATE_H

#include <stdint.h>

#include "tensorflow/lite/core/c/common.h"

typedef struct {
  int32_t num_threads;
  uint32_t flags;
  /* Other fields, whose number depends on the version. The library fills in and reads its own only, through a pointer,
   * so that more room does no harm. */
  uint8_t others[248];
} TfLiteXNNPackDelegateOptions;

TfLiteXNNPackDelegateOptions TfLiteXNNPackDelegateOptionsDefault(void);
TfLiteDelegate* TfLiteXNNPackDelegateCreate(const TfLiteXNNPackDelegateOptions* options);
void TfLiteXNNPackDelegateDelete(TfLiteDelegate* delegate);

#endif
