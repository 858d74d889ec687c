/* The functions of the XNNPACK delegate of TensorFlow Lite that the crate tflitec calls, for its bindings. */
#ifndef CATDOG_XNNPACK_DELEGATE_H
#define CATDOG_XNNPACK_DELEGATE_H

#include <stdint.h>

#include "tensorflow/lite/core/c/common.h"

typedef struct {
  int32_t num_threads;
  uint32_t flags;
  /* Other fields, whose number depends on the version. The library fills in and reads its own only, through a pointer,
   * so that more room does no harm. A union, because the bindings of an array would say that all of it is filled in. */
  union {
    uint8_t bytes[248];
    void* pointer;
  } others;
} TfLiteXNNPackDelegateOptions;

TfLiteXNNPackDelegateOptions TfLiteXNNPackDelegateOptionsDefault(void);
TfLiteDelegate* TfLiteXNNPackDelegateCreate(const TfLiteXNNPackDelegateOptions* options);
void TfLiteXNNPackDelegateDelete(TfLiteDelegate* delegate);

#endif
