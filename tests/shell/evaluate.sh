#!/usr/bin/env bash
# Tests models/evaluate: recomputes its numbers from the rows of its JSON file, and checks the inputs it refuses.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
evaluate=$ROOT/models/evaluate
python=/usr/bin/python3
plugin=$(cut -d : -f 1 <<<"${GST_PLUGIN_PATH:-$ROOT/target/catdog}")
export GST_PLUGIN_PATH=$plugin
[ -f "$plugin/libgstcatdog.so" ] || fail "no plugin in $plugin: scripts/test.sh builds it"
model=$ROOT/tests/models/metadata_labels.tflite # heron, otter, newt

# All packages count as installed, so that the test installs nothing.
stand_in dpkg-query 'printf installed'
cd "$SCRATCH"

# image PATTERN FILE : writes a JPEG or PNG image.
image() {
  local encoder=jpegenc
  [[ $2 != *.png ]] || encoder=pngenc
  gst-launch-1.0 -q videotestsrc num-buffers=1 pattern="$1" ! video/x-raw,width=64,height=48 ! videoconvert ! "$encoder" ! filesink location="$2"
}

# clip PATTERN PATTERN FILE : writes a video with five frames of each pattern.
# At one frame per second, neither smoothing nor hysteresis connects neighboring frames.
clip() {
  gst-launch-1.0 -q concat name=both ! jpegenc ! avimux ! filesink location="$3" \
    videotestsrc num-buffers=5 pattern="$1" ! video/x-raw,format=I420,width=64,height=48,framerate=1/1 ! both. \
    videotestsrc num-buffers=5 pattern="$2" ! video/x-raw,format=I420,width=64,height=48,framerate=1/1 ! both.
}

# The confidence of the untrained model is far from the threshold of 0.7 for every pattern, above it for some.
mkdir -p birds/{Herons,newt,neither}
image smpte birds/Herons/heron-1.jpg
image red birds/Herons/heron-2.jpg
image black birds/Herons/newt.jpg
image white birds/Herons/.hidden.jpg
image white "birds/Herons/un'sure \"é.png"
image ball birds/newt/newt-1.jpg
image blue birds/newt/newt-2.png
image snow birds/newt/unsure.JPG
image green birds/neither/unsure-1.jpg
image white birds/neither/unsure-2.jpg
image smpte birds/neither/heron.jpg
echo "where they are from" >birds/newt/source.txt

# recomputed JSON : recomputes every number of the summary from the rows, with code of its own.
recomputed() {
  $python - "$1" <<'PYTHON'
import json, sys

result = json.load(open(sys.argv[1]))
rows, folders, summary = result["pictures"], result["folders"], result["summary"]
none = {"neither", "none", "other", "background", "nothing"}

def near(a, b, what):
    assert abs(a - b) < 1e-9, f"{what}: {a} instead of {b}"

for row in rows:
    best = max(row["confidences"].values())
    near(row["confidence"], best, "confidence")
    assert row["confidences"][row["top"]] == best
    assert sorted(row["confidences"]) == sorted(result["labels"])
    # Within a clip, hysteresis may keep an earlier label.
    if row["frame"] == 0:
        assert row["label"] == (row["top"] if best >= result["threshold"] else "unknown"), row
    assert row["element_ms"] >= row["inference_ms"] > 0, row

truth = [folders[row["folder"]] for row in rows]
near(summary["accuracy"]["share"], sum(row["top"] == t for row, t in zip(rows, truth)) / len(rows), "accuracy")

ece = 0
for b in range(15):
    inside = [i for i, row in enumerate(rows) if b / 15 < row["confidence"] <= (b + 1) / 15]
    if inside:
        right = sum(rows[i]["top"] == truth[i] for i in inside) / len(inside)
        ece += len(inside) / len(rows) * abs(right - sum(rows[i]["confidence"] for i in inside) / len(inside))
near(summary["ece"], ece, "ECE")

brier = 0
for row, t in zip(rows, truth):
    for label in result["labels"]:
        brier += (row["confidences"][label] - (1 if label == t else 0)) ** 2 / len(rows)
near(summary["brier"], brier, "Brier score")

columns = summary["confusion"]["columns"]
assert columns[-1] == "unknown" and sorted(columns[:-1]) == sorted(result["labels"])
for folder, cells in summary["confusion"]["rows"].items():
    again = [sum(row["folder"] == folder and row["label"] == column for row in rows) for column in columns]
    assert cells == again, f"confusion of {folder}: {cells} instead of {again}"
    total, quiet = sum(cells), sum(n for c, n in zip(columns, cells) if c in none | {"unknown"})
    claims_nothing = folders[folder] is None or folders[folder] in none
    right = quiet if claims_nothing else cells[columns.index(folders[folder])]
    assert (summary["right"][folder]["count"], summary["right"][folder]["of"]) == (right, total)
    if claims_nothing:
        assert summary["false_claims"][folder]["count"] == total - quiet
    else:
        # Of equal confidences, the first class of the model counts, as with max().
        classes = [label for label in result["labels"] if label not in none]
        named = [max(classes, key=row["confidences"].get) for row in rows if row["folder"] == folder]
        assert summary["ignoring_neither"][folder]["count"] == named.count(folders[folder])
missed = [row["label"] in none | {"unknown"} for row, t in zip(rows, truth) if t is not None and t not in none]
assert (summary["missed"]["count"], summary["missed"]["of"]) == (sum(missed), len(missed))

stills = [row["element_ms"] for row in rows if not any(c["file"] == row["file"] for c in result["clips"])]
later = [row["element_ms"] for row in rows if row["element_ms"] not in stills and row["frame"] > 0]
for kind, values in (("stills", sorted(stills)), ("clips", sorted(later))):
    assert (kind in summary["time"]) == bool(values), kind
    if values:
        half = len(values) // 2
        median = values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
        near(summary["time"][kind]["element_median_ms"], median, "median time")
        near(summary["time"][kind]["frames_per_second"], 1000 / median, "frames/s")
PYTHON
}

# check_json JSON EXPRESSION : evaluates EXPRESSION, where `r` is the whole JSON and `s` its summary.
check_json() {
  $python -c 'import json, sys; r = json.load(open(sys.argv[1])); s = r["summary"]; assert eval(sys.argv[2]), sys.argv[2]' "$1" "$2" ||
    fail "$1: false: $2"
}

expect_status 0 "$evaluate" --help
expect_in stdout "Usage: models/evaluate DIR"
expect_in stdout "no file is written then"

# --- results -------------------------------------------------------------------------------------------

expect_status 0 "$evaluate" birds --model "$model" --json birds.json
recomputed birds.json || fail "the numbers of birds.json"
expect_in stdout "model metadata_labels.tflite: heron, newt, otter; threshold 0.7"
expect_in stdout "50.0 %  15.0 to 85.0   2 of 4" # Wilson, by hand
expect_in stdout "Herons called heron ignoring neither"
expect_in stdout "neither called something with confidence >= 0.7"
expect_in stdout "Herons and newt called neither or unknown"
check_json birds.json 'r["folders"] == {"Herons": "heron", "neither": None, "newt": "newt"}'
check_json birds.json '{f: (p["count"], p["of"]) for f, p in s["right"].items()} == {"Herons": (2, 4), "newt": (2, 3), "neither": (2, 3)}'
check_json birds.json 's["confusion"] == {"columns": ["heron", "newt", "otter", "unknown"], "rows": {"Herons": [2, 1, 0, 1], "neither": [1, 0, 0, 2], "newt": [0, 2, 0, 1]}}'
check_json birds.json '(s["accuracy"]["count"], s["accuracy"]["of"]) == (6, 10) and s["missed"]["count"] == 2 and not r["clips"]'

# The confidences are those of the element for the same file.
gst-launch-1.0 -m filesrc location=birds/newt/newt-1.jpg ! decodebin ! videoconvert ! \
  catdogfilter model-file="$model" ! fakesink >bus 2>&1
confidence=$(sed -n 's/.*catdog, .* confidence=(double)\([0-9.]*\),.*/\1/p' bus)
[ -n "$confidence" ] || fail "no result on the bus: $(cat bus)"
check_json birds.json "abs([p for p in r['pictures'] if p['file'] == 'newt/newt-1.jpg'][0]['confidence'] - $confidence) < 1e-6"

# A model with a background class, and a reader that closes the pipe early.
expect_status 0 "$evaluate" birds --model "$model" --labels heron,Background,newt --json named.json
recomputed <(sed 's/"Background"/"background"/' named.json) || fail "the numbers of named.json"
expect_in stdout "Background or unknown"
check_json named.json 'r["folders"]["neither"] == "Background" and s["right"]["neither"]["count"] == 2'
printf 'heron\notter\nnewt\n' >names.txt
expect_status 0 "$evaluate" birds --model "$model" --labels=names.txt
expect_in stdout "heron, newt, otter"
"$evaluate" birds --model "$model" 2>stderr | true || :
! grep -i -E 'pipe|Traceback' stderr || fail "not quiet after the pipe was closed"

# Videos have one result per frame, a line each, and times without the first frame.
mkdir -p moving/{heron,newt}
cp birds/newt/newt-1.jpg moving/newt/
clip smpte ball moving/heron/both.avi
expect_status 0 "$evaluate" moving --model "$model" --json moving.json
recomputed moving.json || fail "the numbers of moving.json"
expect_in stdout "heron/both.avi  heron       10  50.0 %              1"
expect_in stdout "are not independent"
check_json moving.json 'r["clips"] == [{"file": "heron/both.avi", "folder": "heron", "frames": 10, "right": 0.5, "changes": 1}]'
check_json moving.json '(lambda times: times != sorted(times))([p["element_ms"] for p in r["pictures"] if "both" in p["file"]])'
check_json moving.json 's["time"]["clips"]["frames"] == 9 and s["time"]["stills"]["frames"] == 1'

# Other properties: independent frames, and no class accepted.
expect_status 0 "$evaluate" moving --model "$model" --set hold=0 --set=smoothing=0 --set class-confidence-threshold=1 \
  --set mode=sync --set unknown-label=what --json set.json
check_json set.json 'r["threshold"] == 1 and r["unknown_label"] == "what" and r["set"]["hold"] == "0"'
check_json set.json 'all(p["label"] == "what" for p in r["pictures"])'

# Classes by the prefix of the file name.
mkdir flat
cp moving/heron/both.avi flat/heron_then_newt.avi
clip ball ball flat/Newt_1.avi
expect_status 0 "$evaluate" --model "$model" --json flat.json flat
recomputed flat.json || fail "the numbers of flat.json"
check_json flat.json 'r["folders"] == {"Newt": "newt", "heron": "heron"} and [c["right"] for c in r["clips"]] == [1.0, 0.5]'

# Without --model, the embedded model is evaluated.
mkdir pets
cp -r birds/Herons pets/cats
cp -r birds/newt pets/dogs
expect_status 0 "$evaluate" pets --json pets.json
recomputed pets.json || fail "the numbers of pets.json"
check_json pets.json 'r["folders"] == {"cats": "cat", "dogs": "dog"} and r["model"] == "catdog.tflite"'

# A list of files has the same numbers as the folder.
for file in birds/*/[!.]*.*; do
  [[ $file == *.txt ]] || printf '%s\t%s\n' "$(basename "$(dirname "$file")")" "$PWD/$file"
done >birds.tsv
expect_status 0 "$evaluate" birds.tsv --model "$model" --json listed.json
check_json listed.json "s['confusion'] == $($python -c 'import json; print(json.load(open("birds.json"))["summary"]["confusion"])')"
expect_in stdout "warning: 4 images of Herons are few: the true share of right answers is between 15 % and 85 %"
# Relative paths start at --root.
mkdir lists
sed "s|\t$PWD/|\t|" birds.tsv >lists/relative.tsv
expect_status 0 "$evaluate" lists/relative.tsv --root . --model "$model" --json relative.json
check_json relative.json "s['confusion'] == $($python -c 'import json; print(json.load(open("birds.json"))["summary"]["confusion"])')"
# Shares by condition, in the order of the values, for files of classes only.
awk -F'\t' 'BEGIN { print "file\tlight" } { n++; print $2 "\t" (n % 2 ? "dark" : "light") }' lists/relative.tsv >conditions.tsv
expect_status 0 "$evaluate" lists/relative.tsv --root . --model "$model" --conditions conditions.tsv --json conditions.json
expect_in stdout "neither or unknown"
$python - <<'CONDITIONS' || fail "wrong shares by condition"
import json
result = json.load(open("conditions.json"))
values = dict(line.rstrip("\n").split("\t") for line in open("conditions.tsv"))
background = ("neither", "none", "other", "background", "nothing")
rows = [row for row in result["pictures"] if (result["folders"][row["folder"]] or "none") not in background]
found = {part["value"]: part for part in result["conditions"]}
assert set(found) == {"dark", "light"} and sum(part["right"]["of"] for part in found.values()) == len(rows) > 3
for value, part in found.items():
    some = [row for row in rows if values[row["file"]] == value]
    right = sum(row["accepted"] and row["label"] == result["folders"][row["folder"]] for row in some)
    assert (part["right"]["count"], part["right"]["of"]) == (right, len(some)), part
    assert part["right"]["count"] + part["other"]["count"] + part["missed"]["count"] == len(some)
CONDITIONS
printf 'file\tlight\nbirds/Herons/heron-1.jpg\n' >wrong.tsv
expect_status 2 "$evaluate" birds --conditions wrong.tsv
expect_in stderr "wrong.tsv, line 2: 1 columns, expected 2"
printf 'name\tlight\n' >wrong.tsv
expect_status 2 "$evaluate" birds --conditions wrong.tsv
expect_in stderr "the first line must be"
expect_status 2 "$evaluate" birds --conditions missing.tsv
expect_in stderr "there is no file missing.tsv"
expect_status 2 "$evaluate" lists/relative.tsv --root missing
expect_in stderr "there is no folder missing"
expect_status 2 "$evaluate" birds --root .
expect_in stderr "--root is for a list of files; birds is a folder"
printf 'heron\tbirds/Herons/heron-1.jpg\nnewt birds/newt/newt-1.jpg\n' >wrong.tsv

# A photo with an orientation tag is rotated: a frame of the demo clip upright, lying without the tag, and lying with
# the tag.
mkdir -p demo held/{cat,dog}
gst-launch-1.0 -q filesrc location="$ROOT/models/demo/demo.mp4" ! decodebin ! videoconvert ! jpegenc quality=95 ! \
  multifilesink location=demo/%d.jpg
cp demo/230.jpg held/dog/upright.jpg
lying=(gst-launch-1.0 -q filesrc location=demo/230.jpg ! jpegdec ! videoflip video-direction=90l ! jpegenc quality=95)
"${lying[@]}" ! filesink location=held/cat/lying.jpg
"${lying[@]}" ! taginject tags=image-orientation=rotate-90 ! jifmux ! filesink location=held/dog/turned.jpg
expect_status 0 "$evaluate" held --json held.json
check_json held.json '(lambda dog: abs(dog["dog/turned.jpg"] - dog["dog/upright.jpg"]) < 0.03 < 0.1 < abs(dog["cat/lying.jpg"] - dog["dog/upright.jpg"]))({p["file"]: p["confidences"]["dog"] for p in r["pictures"]})'

# --- refused inputs ------------------------------------------------------------------------------------

# refused TEXT ARGUMENT... : expects exit code 2, one line with TEXT on stderr (in addition to LiteRT's own), and no
# file.
refused() {
  local text=$1
  shift
  expect_status 2 "$evaluate" "$@"
  expect_in stderr "$text"
  grep -vE '^INFO: |^evaluating the plugin in |^evaluate: [0-9]+ files with ' stderr >lines || :
  { [ "$(wc -l <lines)" = 1 ] && grep -q '^evaluate: ' lines; } || fail "not one line: $(cat stderr)"
  [ ! -s stdout ] || fail "a report was printed: $(cat stdout)"
  [ -z "$(find . -name '*out.json*' -o -name 'drawn*')" ] || fail "a file was left behind"
}
out=(--json out.json --model "$model")

refused "the folder to evaluate is missing" --model "$model"
refused "there is no folder nowhere" nowhere "${out[@]}"
refused "expected one folder, found birds and moving" birds moving
refused "wrong.tsv, line 2: expected a class, a tab and a path" wrong.tsv "${out[@]}"
refused "unknown option --clip" birds --clip
refused "--model needs a value" birds --model
refused "there is no model none.tflite" birds --model none.tflite
refused "there is no labels file none.txt" birds "${out[@]}" --labels none.txt
refused "there is no folder for --json" birds --model "$model" --json nowhere/out.json
refused "--json takes the name of a file" birds --model "$model" --json moving
refused "--set takes NAME=VALUE" birds "${out[@]}" --set hold
refused "--set color=red: no property \"color\"" birds "${out[@]}" --set color=red
refused "--set hold=long: could not convert" birds "${out[@]}" --set hold=long
refused "--set class-confidence-threshold=7: expected 0 to 1" birds "${out[@]}" --set class-confidence-threshold=7
refused "--set mode=quick: could not set property" birds "${out[@]}" --set mode=quick
refused "--plots takes a folder" birds "${out[@]}" --plots birds.json
refused "would take the plots for images" birds "${out[@]}" --plots birds/drawn

mkdir -p empty one/heron hollow/{heron,newt} other/{lion,tiger} deep/{heron,newt/more}
for folder in one/heron hollow/heron other/lion other/tiger deep/heron deep/newt/more; do cp birds/newt/newt-1.jpg "$folder"; done
echo "not an image" >hollow/newt/notes.md
refused "empty is empty" empty "${out[@]}"
refused "one has only one class, heron" one "${out[@]}"
refused "hollow/newt contains no images" hollow "${out[@]}"
refused "folders: lion, tiger; classes: heron, newt, otter" other "${out[@]}"
refused "deep/newt/more is a folder" deep "${out[@]}"
refused "has no class" one/heron "${out[@]}"

# A text, a sound, a truncated and an empty file: the results of the readable files are not written either.
cp -r birds damaged
for kind in text sound cut nothing; do
  case $kind in
    text) echo text ;;
    sound) gst-launch-1.0 -q audiotestsrc num-buffers=20 ! wavenc ! fdsink ;;
    cut) head -c 200 birds/newt/newt-1.jpg ;;
    nothing) ;;
  esac >damaged/newt/bad.jpg
  refused "damaged/newt/bad.jpg cannot be read: " damaged "${out[@]}"
done

for bad in text truncated two_inputs graph_no_outputs; do
  refused "evaluate: catdogfilter: model-file " birds --json out.json --model "$ROOT/tests/models/bad/$bad.tflite"
done
refused "catdogfilter: " birds "${out[@]}" --labels one,two

mkdir without
echo 'raise ImportError' >without/matplotlib.py
PYTHONPATH=$SCRATCH/without refused "needs matplotlib" birds "${out[@]}" --plots drawn

# A failed run keeps the file of an earlier run.
cp birds.json kept.json
expect_status 2 "$evaluate" damaged --model "$model" --json kept.json
cmp -s birds.json kept.json || fail "a good file was replaced"

# Ctrl-C
mkdir -p long/{heron,newt}
for i in $(seq 1000); do ln -s ../../birds/newt/newt-1.jpg "long/newt/$i.jpg"; done
cp birds/Herons/heron-1.jpg long/heron
set -m # without job control, a background job ignores SIGINT
"$evaluate" long "${out[@]}" >stdout 2>stderr &
pid=$!
set +m
for _ in $(seq 300); do
  ! grep -q 'files with' stderr || break
  sleep 0.1
done
kill -INT -- "-$pid"
status=0
wait "$pid" || status=$?
[ "$status" = 130 ] || fail "status $status after Ctrl-C: $(cat stderr)"
expect_in stderr "stopped, no file was written"
[ -z "$(find . -name '*out.json*')" ] || fail "a file was left behind"

# --- optional parts ------------------------------------------------------------------------------------

# Without GST_PLUGIN_PATH the script builds and stages the plugin, as run.sh does; cargo is a stand-in.
mkdir -p target/{release,gst-catdog}
cp "$plugin/libgstcatdog.so" target/release/
cp "$plugin/../gst-catdog/libLiteRt.so" target/gst-catdog/
(
  stand_in cargo 'exit 0'
  stand_in rustc 'echo rustc 99.0.0'
  unset GST_PLUGIN_PATH
  CARGO_TARGET_DIR=$SCRATCH/target expect_status 0 "$evaluate" birds --model "$model"
)
expect_in stderr "building catdog"
expect_in stdout "10 files, 10 frames"

if $python -c 'import matplotlib' 2>/dev/null; then
  expect_status 0 "$evaluate" birds --model "$model" --plots new/drawn
  expect_status 0 "$evaluate" birds --model "$model" --plots again
  for name in confusion precision-recall reliability; do
    [ "$(head -c 4 "new/drawn/$name.png" | tail -c 3)" = PNG ] || fail "$name.png is no PNG"
    [ "$(stat -c %s "new/drawn/$name.png")" -lt 100000 ] || fail "$name.png is too large"
    cmp "new/drawn/$name.png" "again/$name.png" || fail "$name.png differs between two runs"
  done
  [ "$(find new/drawn again -type f | wc -l)" = 6 ] || fail "files other than the plots: $(ls -A new/drawn)"
  expect_status 0 "$evaluate" birds --model "$model" --report report
  expect_in stdout "the report is report/report.md"
  grep -q '^- 4 images of Herons are few' report/report.md || fail "no verdict: $(cat report/report.md)"
  for plot in confusion mistakes precision-recall reliability; do
    grep -qF "]($plot.png)" report/report.md || fail "$plot.png is not in the report"
    [ -s "report/$plot.png" ] || fail "$plot.png was not drawn"
  done
  # The web page has the same headings, and contains the images in the same order.
  [ "$(sed -n 's/^#* //p' report/report.md | sed '/^$/d')" = "$(sed -n 's/^<h[12] [^>]*>\(.*\)<.*/\1/p' report/report.html)" ] ||
    fail "other headings: $(grep '<h' report/report.html)"
  sed -n 's/.*](\(.*\))/\1/p' report/report.md | while read -r plot; do base64 -w 0 "report/$plot"; echo; done >images
  sed -n 's/.*src="data:image\/png;base64,\([^"]*\)".*/\1/p' report/report.html | cmp - images || fail "other images in the page"
  [ "$(wc -l <images)" = 4 ] || fail "$(wc -l <images) images instead of 4"
  # If one plot cannot be written, no file is.
  mkdir -p taken/reliability.png
  expect_status 2 "$evaluate" birds "${out[@]}" --plots taken
  expect_in stderr "reliability.png is a folder"
  [ -z "$(find taken -type f)" ] || fail "some files were written: $(find taken)"
  [ ! -e out.json ] || fail "out.json was written"
else
  echo "not tested: --plots (matplotlib is not installed)"
fi

data=${CATDOG_TEST_DATA:-$ROOT/../shared}
if [ -d "$data/data/heldout" ] && [ -f "$data/models/cat-dog-mnv2.tflite" ]; then
  for class in cats dogs neither; do
    mkdir -p "photos/$class"
    find "$data/data/heldout/$class" -name '*.jpg' | sort | sed -n 1,10p | while read -r photo; do
      ln -s "$(realpath "$photo")" "photos/$class/"
    done
  done
  expect_status 0 "$evaluate" photos --model "$data/models/cat-dog-mnv2.tflite" --json photos.json
  recomputed photos.json || fail "the numbers of photos.json"
  check_json photos.json 's["files"] == 30 and all(p["count"] >= 9 for p in s["ignoring_neither"].values())'
else
  echo "not tested: photos (no test data)"
fi
