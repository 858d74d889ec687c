#!/usr/bin/env bash
# Tests models/train on synthetic images of three colors: a stopped and resumed training gives the same model, the
# element recognizes the colors with it, the probabilities follow from the logits at each place, and every unusable input
# is reported in one line with status 2.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"

train=$ROOT/models/train
# The version of Python is checked before anything is installed.
stand_in python2 'echo 2.7'
if [ -x "${CARGO_TARGET_DIR:-$ROOT/target}/train-venv/bin/python" ]; then :; else
  PYTHON=python2 expect_status 2 "$train" --data "$SCRATCH" --out "$SCRATCH/none"
  expect_in stderr "Python 3.10 to 3.13"
fi
expect_status 0 "$train" --help
expect_in stdout "--data DIR"
expect_status 2 "$train" --data "$SCRATCH/missing" --out "$SCRATCH/none" # installs TensorFlow if it is missing
venv=${CARGO_TARGET_DIR:-$ROOT/target}/train-venv/bin/python
"$venv" "$ROOT/tests/tensorflow/train_networks.py" >"$SCRATCH/log" 2>&1 || fail "$(grep -vE "^[IWE]0000|TensorSpec" "$SCRATCH/log")"

cd "$SCRATCH"
"$venv" - <<'PICTURES'
import pathlib
import numpy as np
from PIL import Image

random = np.random.default_rng(5)
for folder, count in (("data", 40), ("fresh", 12)):
    for name, channel in (("blue", 2), ("green", 1), ("red", 0)):
        place = pathlib.Path(folder, name)
        place.mkdir(parents=True)
        for number in range(count):
            height, width = random.integers(40, 90, 2)
            picture = random.integers(0, 90, (height, width, 3))
            picture[..., channel] += random.integers(90, 160)
            # Small and large images, some transparent, some with an orientation tag.
            image = Image.fromarray(picture.astype(np.uint8))
            if number % 10 == 0:
                image = image.resize((900, 700))
            if number % 9 == 0:
                image.putalpha(200)
            turned = Image.Exif()
            turned[0x0112] = 6
            suffix = "jpg" if number % 3 else "png"
            image.save(place / f"{'abcdefghijklmnopqrstuvwxyz'[number % 26]}{number}.{suffix}", exif=turned if number % 7 else b"")
PICTURES

printf 'no image' >data/red/cut.jpg

# These two layers differ in size, so that the last layer sees their averages. An epoch repeats the images until there
# are 1500.
options=(--data data --preset nano --size 32 --cut "block_2_add,expanded_conv_project_BN" --head average --width "1,1"
  --epochs 2 --batch 16 --backbone none --imagenet "blue=0-99,red=100-149" --name colors)
expect_status 0 "$train" "${options[@]}" --out whole
expect_in stdout "epoch 2/2"
expect_in stdout "skipped: data/red/cut.jpg cannot be read"
# Twelve of forty images, because a tenth would say little.
expect_in stdout "red: 28, 12"
expect_in stdout "overall accuracy (top-1 class, accepted or not)  100.0 %"
expect_in stdout "the report is whole/report/report.md"
grep -q '^## Verdict' whole/report/report.md || fail "the report has no verdict"
grep -q '<h2 id="[^"]*">Verdict</h2>' whole/report/report.html || fail "the web page has no verdict"

# Stop after the first epoch, then resume.
setsid "$train" "${options[@]}" --no-report --out resumed >first 2>&1 &
pid=$!
trap 'kill -KILL -- "-$pid" 2>/dev/null || true; rm -rf "$SCRATCH"' EXIT
for _ in $(seq 6000); do
  [ ! -f resumed/state.json ] || break
  kill -0 "$pid" 2>/dev/null || fail "the training ended: $(tail -n 5 first)"
  sleep 0.05
done
kill -TERM -- "-$pid"
status=0
wait "$pid" || status=$?
[ "$status" = 143 ] || fail "status $status instead of 143 after a signal: $(tail -n 5 first)"
[ ! -e resumed/classifier.tflite ] || fail "a stopped training left a model"
expect_status 0 "$train" "${options[@]}" --no-report --out resumed
expect_in stdout "resuming after epoch 1"
[ ! -e resumed/report ] || fail "a report in spite of --no-report"
cmp whole/classifier.tflite resumed/classifier.tflite || fail "a resumed training gives another model"

# The element runs the model without further settings: labels and normalization are in the file.
expect_status 0 "$ROOT/models/evaluate" fresh --model whole/classifier.tflite --json report.json
"$venv" - <<'REPORT'
import json
report = json.load(open("report.json"))
right = [p["top"] == p["folder"] for p in report["pictures"]]
assert len(right) == 36 and sum(right) >= 34, f"{sum(right)} of {len(right)}"
REPORT

# The preset of the larger model, narrowed, with a last layer at each place, a given teacher and no dropout. One class is
# a zip file as Teachable Machine writes it; ten of its images are held back. Blue things have masks and are pasted into
# green scenes. The initial weights are random, with the statistics that keep the signal from vanishing.
mkdir -p mixed/backbone
cp -r data/blue data/green mixed
"$venv" - 2>log <<'MIXED' || fail "$(cat log)"
import pathlib, zipfile
import keras
import numpy as np
from PIL import Image

keras.utils.set_random_seed(5)
network = keras.applications.MobileNetV2((64, 64, 3), weights=None)
for layer in network.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.0
network(np.random.default_rng(5).uniform(-1, 1, (8, 2, 2, 3)).repeat(32, 1).repeat(32, 2), training=True)
network.save_weights("mixed/backbone/network.weights.h5")

with zipfile.ZipFile("mixed/red-samples.zip", "w") as archive:
    for number, path in enumerate(sorted(p for p in pathlib.Path("data/red").iterdir() if p.name != "cut.jpg")):
        archive.write(path, f"{number}{path.suffix}")
        if number < 10:
            print(f"red\tother/red/{number}{path.suffix}", file=open("held.tsv", "a"))
masks = pathlib.Path("masks/mixed/blue")
masks.mkdir(parents=True)
mask = np.zeros((50, 50), np.uint8)
mask[10:40, 15:35] = 255
for path in pathlib.Path("mixed/blue").iterdir():
    Image.fromarray(mask).save(masks / f"{path.stem}.png")
MIXED
mixed=(--data mixed --size 64 --epochs 1 --channels 64 --width "0.5,0.7" --head places --dropout 0 --masks masks --scenes 60
  --background green --hold-back held.tsv --teacher whole/averaged.keras --imagenet "blue=0-99" --repeat mixed=2 --out taught)
expect_status 0 "$train" "${mixed[@]}"
expect_in stdout "blue: 28, 12"
expect_in stdout "red: 20, 10"
expect_in stdout "28 training images with a mask, 60 composed scenes in each epoch"
expect_in stdout "narrowing the network to 0.5 and 0.7 of its hidden channels"
expect_in stdout "the teacher sees the images"
expect_in stdout "the report is taught/report/report.md"
[ "$(stat -c %s taught/classifier.tflite)" -gt "$(stat -c %s whole/classifier.tflite)" ] || fail "not the larger network"
[ "$(find taught/validation -type f -path '*/red/*' | wc -l)" = 10 ] || fail "no images of red: $(find taught/validation)"
[ "$(grep -c "^red$(printf '\t')$PWD/taught/validation/red/" taught/validation.tsv)" = 10 ] || fail "$(cat taught/validation.tsv)"
"$venv" - <<'PLACES'
import json, pathlib
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

interpreter = Interpreter("taught/classifier.tflite")
interpreter.allocate_tensors()
(image,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
found = [(output["name"], output["shape"].tolist()) for output in outputs]
assert found == [("probabilities", [1, 3]), ("evidence", [1, 2, 2, 3])], found
means, probabilities, ranges = [], [], []
for path in sorted(pathlib.Path("fresh").glob("*/*")):
    pixels = np.asarray(Image.open(path).convert("RGB").resize((64, 64)))
    interpreter.set_tensor(image["index"], pixels[None])
    interpreter.invoke()
    probability, evidence = (interpreter.get_tensor(output["index"])[0].astype(np.float64) for output in outputs)
    ranges.append(np.ptp(evidence, axis=(0, 1)).max())
    probabilities.append(probability)
    means.append(np.log(np.exp(evidence).mean((0, 1))))
# The four places of a single photo, which is noise of one color, may well be equal in int8.
assert max(ranges) > 0, "all places of all photos are equal"
means, probabilities = np.array(means), np.array(probabilities)
# The temperature of each pair of classes: the ratio of the differences of the logits and of the log probabilities.
logits, logs = means[:, 1:] - means[:, :1], np.log(probabilities[:, 1:] / probabilities[:, :1])
temperature = np.median(logits / logs)
assert abs(temperature / json.load(open("taught/report.json"))["temperature"] - 1) < 1e-3, temperature
powers = np.exp(means / temperature)
error = np.abs(powers / powers.sum(1, keepdims=True) - probabilities).max()
assert error < 1e-5, f"the probabilities differ by {error} from softmax(log-mean-exp / {temperature})"
PLACES

# A finished training only writes its result again, also as the mean with another one, here with itself.
expect_status 0 "$train" "${mixed[@]}" --no-report
expect_in stdout "resuming after epoch 1"
cp taught/classifier.tflite alone.tflite
expect_status 0 "$train" "${mixed[@]}" --no-report --merge taught/averaged.keras
cmp alone.tflite taught/classifier.tflite || fail "the mean of a network and itself is another network"
expect_status 2 "$train" "${mixed[@]}" --merge whole/averaged.keras
expect_in stderr "--merge: whole/averaged.keras has another network"

# A run with other settings or other images does not resume this one.
expect_status 2 "$train" "${options[@]}" --out whole --epochs 3
expect_in stderr "started with other epochs"
cp data/red/a0.png data/red/new.png
expect_status 2 "$train" "${options[@]}" --out whole
expect_in stderr "started with other images"
rm data/red/new.png

# refused TEXT ARGUMENT... : expects status 2, one line with TEXT on stderr, and no output.
refused() {
  expect_status 2 "$train" --preset nano --width 1,1 --size 32 --backbone none --out none "${@:2}"
  expect_in stderr "$1"
  [ "$(grep -c . stderr)" = 1 ] || fail "more than one line: $(cat stderr)"
  [ ! -e none ] || fail "something was written for: ${*:2}"
}
refused "there is no folder missing" --data missing
mkdir -p empty single/only broken/{a,b} hollow/{a,b}
refused "no sub-folders and no .zip or .tm files" --data empty
cp data/red/* single/only
refused "only one class" --data single
cp data/red/* broken/a
cp data/blue/* broken/b
for number in 1 2 3 4 5; do head -c 300 data/red/b1.jpg >"broken/b/cut$number.jpg"; done
refused "5 of 45 images of broken/b are damaged" --data broken
cp data/red/* hollow/a
refused "hollow/b contains no images" --data hollow
echo text >project.tm
refused "project.tm cannot be read: File is not a zip file; download the samples of each class instead" --data project.tm
rm -r hollow/b
cp project.tm hollow/b-samples.zip
refused "hollow/b-samples.zip cannot be read" --data hollow
refused "--labels names 2 classes" --data data --labels cat,dog
refused "--imagenet names yellow" --data data --imagenet yellow=1-2
for wrong in blue blue=x blue=9-8 blue=1000 blue=1-5,red=5-9; do
  expect_status 2 "$train" --data data --out none --imagenet "$wrong"
  expect_in stderr "expected folder=first-last in 0 to 999, each number once"
done
refused "the network has no layer block_99" --data data --cut block_2_add,block_99
refused "the network has no layer Conv_9" --data data --first-layer Conv_9
refused "--head places needs layers of one size, not block_2_add 8 x 8, " --data data --head places --cut block_2_add,out_relu
refused "--masks: there is no folder nowhere" --data data --masks nowhere
refused "--hold-back: nowhere cannot be read" --data data --hold-back nowhere
refused "--hold-back: project.tm has a line that is not a class, a tab and a path" --data data --hold-back project.tm
refused "none.h5 cannot be read: there is no such file" --data data --backbone none.h5
refused "none.keras cannot be read: there is no such file" --data data --merge none.keras
for wrong in data data=x data=0; do
  expect_status 2 "$train" --data data --out none --repeat "$wrong"
  expect_in stderr "expected folder=times: $wrong"
done
echo text >text.h5
refused "text.h5 cannot be read" --data data --backbone text.h5
cp text.h5 text.tflite
refused "the backbone text.tflite cannot be read" --data data --backbone text.tflite
cp text.h5 text.keras
refused "the model text.keras cannot be read" --data data --teacher text.keras
mkdir -p nested/{a,b/more}
cp data/red/* nested/a
cp data/blue/* nested/b
refused "nested/b/more is a folder inside a class folder" --data nested
for wrong in "--size 36" "--epochs 0" "--batch 0" "--channels 2000" "--dropout 2" "--validation 1" "--width 0,1" "--width 1" \
  "--head both" "--teacher none --teacher x" "--teach-views 0.5"; do
  # shellcheck disable=SC2086 # an option and its value
  expect_status 2 "$train" --data data --out none $wrong
done
touch taken
expect_status 2 "$train" --data data --preset nano --size 32 --backbone none --out taken
expect_in stderr "train: --out: "
