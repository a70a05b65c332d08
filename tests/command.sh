#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# command.sh: tests the command from outside, as people and scripts use it. Prints TAP.
#     tests/command.sh BINARY
set -u

tenon=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
TENON_DATA=${TENON_DATA:-$root/data}
TENON_DATA=$(realpath "$TENON_DATA")
export TENON_DATA
unset NO_COLOR TENON_CPU
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
. "$root/tests/tap.sh"

# ok NAME COMMAND...: the command must succeed.
ok() {
    name=$1
    shift
    "$@" >/dev/null 2>>err
    report $? "$name"
}

# tn CODE ARGUMENT...: runs the command into out and err; true if it exits with CODE.
tn() {
    code=$1
    shift
    "$tenon" "$@" >out 2>err </dev/null
    got=$?
    [ $got -eq "$code" ] || { echo "exit code $got, not $code: tenon $*" >>err; false; }
}

# usage_error TEXT ARGUMENT...: exit code 2, TEXT among what is printed, nothing on standard output.
usage_error() {
    text=$1
    shift
    tn 2 "$@" && grep -qF -- "$text" err && ! [ -s out ]
    report $? "usage: tenon $*"
}

# failure TEXT ARGUMENT...: exit code 1 and one line on standard error, "tenon: ...TEXT...".
failure() {
    text=$1
    shift
    tn 1 "$@" && grep -qF -- "$text" err && [ "$(grep -c '' err)" -eq 1 ] && grep -q '^tenon: ' err
    report $? "fails: tenon $*"
}

value() { sed -n "s/^ *\"$2\": *\"\{0,1\}\([^\",]*\).*/\1/p" "$1" | head -1; }

# ---- help ---------------------------------------------------------------------------------------

tn 0 --help && grep -q 'tenon train' out && grep -q '^  convert ' out && ! [ -s err ]
report $? "--help"
tn 0 --version && grep -qE '^tenon [0-9]+\.[0-9]+\.[0-9]+$' out
report $? "--version"
tn 2 && grep -q 'Usage' err
report $? "no verb at all prints the help as an error"
for verb in train infer run convert info bench cpu; do
    tn 0 "$verb" --help && grep -q "Usage: tenon $verb" out && grep -q -- '--json' out &&
        ! [ -s err ] && cp out direct && tn 0 help "$verb" && cmp -s out direct
    report $? "help of $verb, both ways"
    awk 'length > 80 { print; exit 1 }' direct >err
    report $? "help of $verb fits into 80 columns"
done
if script -qec true /dev/null </dev/null >out 2>err; then
    script -qec "stty cols 60; '$tenon' help train" /dev/null </dev/null >out 2>err &&
        sed -n '/^Options:/,/^MODEL is/p' out | tr -d '\r' | awk '/^MODEL is/ { exit }
            length > 60 { exit 1 }'
    report $? "help fits into a narrow terminal"
else
    skip "help fits into a narrow terminal" "script(1) can make no terminal here"
fi

# ---- usage errors -------------------------------------------------------------------------------

usage_error 'did you mean train?' trian
usage_error 'not there yet' train --procs 2
OMPI_COMM_WORLD_SIZE=4
export OMPI_COMM_WORLD_SIZE
failure 'training over 4 ranks is not there yet' train
unset OMPI_COMM_WORLD_SIZE
usage_error 'unknown verb' frobnicate
usage_error 'unknown option' --frobnicate
usage_error 'did you mean --epochs?' train --epoch 3
usage_error 'unknown option -x' train -x
usage_error 'needs an argument' train --epochs
usage_error 'takes no argument' train --resume=yes
for number in 0 -1 1.5 3x '' ' 3' 0x10 99999999999999999999; do
    usage_error 'takes a whole number' train --epochs "$number"
done
for number in 0 -0.1 nan inf 0.1x 1e999 0x1p3; do
    usage_error 'takes a number' train --lr "$number"
done
usage_error 'less than 1' train --held-out 1
usage_error 'one of sgd, adam, adamw, adadelta, rmsprop, lars' train --optimizer adagrad
usage_error 'one of constant, step, one-cycle, cosine, polynomial' train --schedule cosinus
usage_error 'takes a whole number from 0' train --seed -1
usage_error 'does not go with' train --no-checkpoint --resume
usage_error 'not of adam' train --optimizer adam --momentum 0.5
usage_error '--nesterov is an option of sgd, not of lars' train --optimizer lars --nesterov
usage_error 'does not go with --momentum 0' train --optimizer sgd --nesterov --momentum 0
usage_error 'add --weight-decay' train lenet --decay-all
usage_error '--keep-best needs images to go by: add --held-out' train --keep-best
usage_error '--patience needs images to go by: add --held-out' train --patience 3
usage_error 'from 0 to less than 1' train --ema 1
usage_error 'takes a number from 0' train --warmup -1
usage_error 'takes a number from 0' train --clip-norm x
usage_error 'takes a whole number from 1' train --accumulate 0
usage_error 'takes a whole number from 1' train --patience 0 --held-out 0.1
usage_error 'takes a whole number from 1' train --bn-group 0
usage_error 'does not know "spin" (known: crop=PIXELS, ' train --augment crop=2,spin=3
usage_error 'does not know ""' train --augment crop=2,
usage_error 'crop takes a whole number above 0: crop=PIXELS, not "1.5"' train --augment crop=1.5
for number in '' 0 -1 nan 1e3 ' 2' 1.2.3; do
    usage_error 'takes a number above 0' train --augment "shift=$number"
done
usage_error 'has flip twice' train --augment flip,flip
usage_error 'flip takes no number' train --augment flip=1
usage_error 'add --optimizer sgd' train lenet --momentum 0.5
usage_error 'do not know what to do with' train lenet mnist-cnn
usage_error 'which model?' infer
usage_error 'which model?' info
usage_error '--train is about the plan: add --plan' info lenet --train
usage_error '--batch-size is about the plan: add --plan' info lenet --batch-size 3
usage_error '--threads is about the plan: add --plan' info lenet --threads 1
usage_error 'takes a whole number from 1' info lenet --plan --threads 0
usage_error 'takes a whole number from 1' info lenet --plan --batch-size 0
usage_error 'is missing' run m.onnx
usage_error 'takes NAME=FILE' run m.onnx --input x.npy
usage_error '.npy or .pb' run m.onnx --input x=x.txt
usage_error 'given twice' run m.onnx --input x=a.npy --input x=b.npy
usage_error 'not both' infer m.onnx 7.png --data mnist
usage_error 'is for data sets' infer m.onnx 7.png --confusion
usage_error 'is for data sets' infer m.onnx 7.png --mistakes m.png
usage_error 'needs --mistakes' infer m.onnx --mistakes-count 3

# ---- failures before any work -------------------------------------------------------------------

failure 'did you mean lenet?' train lennet
failure 'mnist-cnn' train resnet-9000
failure 'missing.onnx' train missing.onnx
failure 'missing.onnx' infer missing.onnx
failure 'missing.onnx' info missing.onnx
failure 'missing.onnx' run missing.onnx --input x=x.npy
failure 'tenon train lenet' infer lenet
failure 'no-such-data' train lenet --data no-such-data
failure 'cannot write no/such/dir/m.onnx: no such directory' train lenet -o no/such/dir/m.onnx
failure 'cannot write .: it is a directory' train lenet -o .
failure 'cannot write no/r.json' train lenet --json no/r.json
failure 'it is the output, too' train lenet -o one.onnx --json ./one.onnx
head -c 1000 /dev/urandom >noise.onnx
failure 'noise.onnx' info noise.onnx
TENON_CPU=abacus tn 1 cpu && grep -q abacus err
report $? "a kernel level that does not exist"

# ---- cpu, info ----------------------------------------------------------------------------------

is_json() {
    if command -v jq >/dev/null; then
        jq -e . "$1" >/dev/null
    else
        python3 -m json.tool "$1" >/dev/null
    fi
}

tn 0 cpu && grep -qE '^threads +[1-9]' out
report $? "cpu"
tn 0 cpu --json - && is_json out && [ "$(value out threads)" -ge 1 ] && grep -q '^threads' err
report $? "cpu --json -: JSON on standard output, text on standard error"
tn 0 cpu && { grep -qE '^threads +1:' out || grep -qE '^pinning +(not )?pinned: ' out; }
report $? "cpu says whether threads are pinned"
tn 0 cpu --measure --json cpu.json && is_json cpu.json &&
    grep -qE '^peak +[0-9.]+ GFLOP/s on one thread' out &&
    awk -v one="$(value cpu.json peak_gflops_one)" -v all="$(value cpu.json peak_gflops_all)" \
        -v join="$(value cpu.json fork_join_us)" 'BEGIN { exit !(one > 0 && all > 0 && join > 0) }'
report $? "cpu --measure: fork/join and the multiply-add peak"
tn 0 cpu && ! grep -q '^peak' out
report $? "cpu measures no peak unasked"
for model in mnist-cnn lenet mlp resnet20 vgg-small tiny-cnn; do
    tn 0 train --help && grep -qE "(^|[( ])${model}[,; ]" out && tn 0 info "$model" &&
        grep -q '^output *scores' out
    report $? "$model is built in, and named by train --help"
done
tn 0 info lenet && grep -q 'Conv' out && grep -qE '^total' out
report $? "info of a built-in network"
tn 0 info mnist-cnn --json - && is_json out && [ "$(value out parameters)" -eq 1199882 ]
report $? "info --json -: mnist-cnn has 1,199,882 parameters"
tn 0 info lenet --plan --batch-size 6 --threads 1 &&
    grep -q '^inference, batch of 6, 1 thread,' out &&
    grep -qE '^segment 1 of [0-9]+: tiles of [0-9]+, [0-9]+ tasks?; expected [0-9.]+ ms' out &&
    grep -qE 'LoadPixels +[a-z]+ +tile +[0-9]' out && grep -qE '^ *sum ' out &&
    grep -qE '^  tile .* for each of 1 thread$' out && ! grep -qE ' $|attributes' out
report $? "info --plan: segments, nodes, sums, memory"
tn 0 info mnist-cnn --plan --batch-size 1 --threads 2 &&
    grep -qE '^segment 1 of [0-9]+: 2 bands of each sample, 2 tasks' out &&
    grep -qE '(^| )ConvRelu +[a-z]+ +[0-9]+ rows +[0-9]' out && grep -qE ' batch, [0-9]+ rows' out
report $? "info --plan: threads that share an image"
for columns in 80 120; do
    for training in '' --train; do
        # shellcheck disable=SC2086 # no word or one
        COLUMNS=$columns tn 0 info mnist-cnn --plan $training --batch-size 4 &&
            awk -v n="$columns" 'length > n { print; exit 1 }' out >>err
        report $? "info --plan $training fits into $columns columns"
    done
    grep -qE '^(Conv_1  +)?Conv .* (tiles|winograd) ' out
    report $? "info --plan in $columns columns: $(grep -c '^Conv_1 ' out) rows begin with a name"
done
tn 0 info mnist-cnn --plan --train --batch-size 64 && grep -q '^Nodes marked + are' out &&
    [ "$(grep -cE '^([A-Za-z_0-9]+  +)?[+] Conv(Relu)? ' out)" -eq 1 ] &&
    tn 0 info lenet --plan && ! grep -qF '+ ' out
report $? "info --plan marks what is computed again"
tn 0 info lenet --plan --train --json - && is_json out && [ "$(value out shards)" -eq 16 ] &&
    [ "$(value out training)" = true ] && [ "$(value out batch_size)" -eq 64 ] &&
    for key in plan segments nodes memory macs tasks tile bands by_shard implementation \
        place rows held bytes_in bytes_out expected_us measured_us expected_cpu_us \
        measured_cpu_us gflops core_gflops l2_bytes_per_s packing_us summing_us \
        batch_bytes tile_bytes partial_bytes packed_bytes workspace_bytes parameter_bytes \
        total_bytes again; do
        grep -q "\"$key\":" out || { echo "no $key" >>err; break; }
    done && ! grep -q '^no ' err
report $? "info --plan --train --json - has its keys"
"$tenon" cpu >/dev/full 2>err
[ $? -eq 1 ] && grep -q '^tenon: cannot write standard output' err
report $? "a full device on standard output"
"$tenon" cpu >&- 2>err
[ $? -eq 1 ] && grep -q '^tenon: cannot write standard output' err
report $? "a closed standard output"
{ sleep 1; "$tenon" --help; } 2>err | :
! [ -s err ]
report $? "a reader that has gone away hears no complaint"
"$tenon" cpu --json /dev/full >out 2>err
[ $? -eq 1 ] && grep -q '^tenon: cannot write /dev/full' err
report $? "a full device for the results"

# ---- pin ----------------------------------------------------------------------------------------

for verb in train infer run; do
    usage_error '--pin takes one of auto, yes, no' $verb --pin maybe
done
if [ "$(nproc)" -ge 2 ]; then
    for pin in yes no; do
        tn 0 train lenet --limit 64 --epochs 1 --threads 2 --pin $pin --no-checkpoint -o pin.onnx \
            --json pin.json && is_json pin.json && grep -qE "^ +(not )?pinned: as asked for" out &&
            [ "$(value pin.json pinned)" = "$([ $pin = yes ] && echo true || echo false)" ]
        report $? "train --pin $pin"
    done
    tn 0 infer pin.onnx --threads 2 --pin yes --json pin.json && grep -q '^ *pinned: as' out &&
        [ "$(value pin.json pinned)" = true ]
    report $? "infer --pin yes"
    tn 0 infer pin.onnx --threads 1 --pin yes --json pin.json && ! grep -q pinned out &&
        [ "$(value pin.json pinned)" = false ]
    report $? "infer --pin yes on one thread has nothing to pin"
fi

# ---- train --------------------------------------------------------------------------------------

tn 0 train lenet --limit 640 --epochs 1 --json r.json && [ -s lenet.onnx ] && is_json r.json &&
    grep -q 'epoch 1/1' out && ! grep -q "$(printf '\033')" out && ! [ -s err ]
report $? "train: a plain line per epoch in a pipe, an ONNX file, results"
[ "$(value r.json steps)" -ge 1 ] && [ "$(value r.json epochs)" -eq 1 ] &&
    [ "$(value r.json output)" = lenet.onnx ] && [ "$(value r.json stopped)" = false ] &&
    [ "$(value r.json output_bytes)" -eq "$(stat -c %s lenet.onnx)" ] &&
    [ -n "$(value r.json test_accuracy)" ] && [ "$(value r.json peak_rss_bytes)" -gt 1000000 ]
report $? "train: results agree with the files"
ok "train: default checkpoints are gone after success" test ! -e lenet.checkpoints
tn 0 train lenet --limit 640 --epochs 1 --quiet --checkpoint kept -o q.onnx && ! [ -s out ] &&
    ! [ -s err ] && [ -n "$(ls kept)" ]
report $? "train --quiet says nothing; --checkpoint stays"
failure 'add --resume' train lenet --limit 640 --epochs 1 --checkpoint kept -o q.onnx
ok "the same seed gives the same file" cmp lenet.onnx q.onnx
tn 0 train lenet --limit 640 --epochs 1 --no-checkpoint --tile 3 -o odd.onnx &&
    cmp lenet.onnx odd.onnx >>err && tn 0 train --help && ! grep -q -- --tile out
report $? "tiles of an odd size give the same file, and are no option for everybody"
usage_error 'takes a whole number from 1' train --tile 0
tn 0 train lenet --limit 640 --epochs 1 --no-checkpoint --tile-rows 3 -o odd.onnx &&
    cmp lenet.onnx odd.onnx >>err
report $? "images by some rows at a time give the same file"
usage_error 'takes a whole number from 1' train --tile-rows 0
tn 0 train mnist-cnn --limit 64 --epochs 1 --no-checkpoint -o winograd.onnx &&
    tn 0 train mnist-cnn --limit 64 --epochs 1 --no-checkpoint --no-winograd -o direct.onnx &&
    ! cmp -s winograd.onnx direct.onnx && tn 0 train --help && ! grep -q -- --no-winograd out
report $? "Winograd's algorithm can be left out, and that is no option for everybody"
tn 0 train mnist-cnn --limit 640 --epochs 1 --batch-size 64 --threads 2 --json m.json -o m.onnx &&
    echo "$(value m.json peak_rss_bytes) bytes" >>err &&
    [ "$(value m.json peak_rss_bytes)" -lt $((120 << 20)) ]
report $? "mnist-cnn trains in 120 MiB: data sets, checkpoints and tests included"
tn 0 train lenet --limit 640 --epochs 1 --no-checkpoint --tensorboard tb/1 -o told.onnx &&
    grep -qE '^  events +tb/1' out && [ "$(ls tb/1 | wc -l)" -eq 1 ] &&
    [ "$(grep -cao 'mistakes/[0-9] taken for [0-9] (image [0-9]*)' tb/1/events.out.tfevents.*)" \
        -ge 1 ] && grep -qa test_accuracy tb/1/events.out.tfevents.* &&
    grep -qa test_loss tb/1/events.out.tfevents.*
report $? "train --tensorboard: an event file with the mistakes"
ok "an event file changes no weights" cmp lenet.onnx told.onnx
failure 'cannot write event files to told.onnx/tb' \
    train lenet --limit 640 --tensorboard told.onnx/tb -o untold.onnx
ok "an event file that cannot be made is found before training" test ! -e untold.onnx
tn 0 train lenet --limit 640 --epochs 1 --seed 5 --no-checkpoint --json - && is_json out &&
    [ "$(value out seed)" -eq 5 ] &&
    [ "$(value out weights_sha256)" != "$(value r.json weights_sha256)" ]
report $? "train --json -, and another seed gives other weights"
tn 0 train ./q.onnx --limit 640 --epochs 1 --optimizer adam --schedule constant --lr 0.001 \
    --held-out 0.25 --json a.json && [ -s q-trained.onnx ] && grep -q 'held out' out &&
    [ "$(value a.json optimizer)" = adam ] && [ "$(value a.json schedule)" = constant ] &&
    [ "$(value a.json lr)" = 0.001 ] && [ "$(value a.json held_out_accuracy)" != null ]
report $? "train: an ONNX file further, into a file of its own"
tn 0 train ./q.onnx --limit 640 --epochs 1 --head 12 --freeze 'conv*' --freeze 'fc1.*' \
    --json tuned.json -o tuned.onnx && is_json tuned.json && grep -q 'new, for 12 classes' out &&
    grep -qF 'frozen       6 of 8 parameter tensors: conv* fc1.*' out &&
    [ "$(value tuned.json new_head)" = true ] && grep -q '"fc1' tuned.json &&
    tn 0 info tuned.onnx --parameters && grep -qE '^fc2.weight +12x50$' out &&
    grep -qE '^classes .*, 9, 10, 11$' out
report $? "train --head, --freeze: the last layer anew, the others as they are"
tn 0 train ./q.onnx --limit 640 --epochs 1 --head data --no-checkpoint -o ten.onnx &&
    tn 0 info ten.onnx --parameters && grep -qE '^fc2.weight +10x50$' out
report $? "train --head data: as many classes as the data has"
usage_error '--head takes a number of classes' train ./q.onnx --head many
usage_error '--head takes a number of classes' train ./q.onnx --head 0
usage_error '--head is for ONNX files' train lenet --head 3
failure '--head 3 is too few for them' train ./q.onnx --limit 640 --head 3
failure 'cannot freeze "layer1.*": no parameter has such a name (conv1.weight' \
    train ./q.onnx --limit 640 --freeze 'layer1.*' --no-checkpoint -o untold.onnx
usage_error 'either --plan or --parameters' info lenet --plan --parameters
tn 0 train lenet --limit 640 --epochs 3 --optimizer sgd --nesterov --momentum 0.8 --lr 0.02 \
    --weight-decay 0.001 --decay-all --schedule cosine --warmup 0.5 --clip-norm 2 --accumulate 2 \
    --batch-size 32 --bn-group 16 --label-smoothing 0.1 --augment crop=2,rotate=10,mixup=0.2 \
    --ema 0.9 --keep-best --patience 3 --held-out 0.25 --no-checkpoint --json f.json -o f.onnx &&
    tr -s ' \n' ' ' <out >words && is_json f.json &&
    grep -qF '3 epochs, 2 batches of 32 a step, sgd, lr 0.02 cosine with 0.5 epochs of warm-up,' \
        words &&
    grep -qF 'Nesterov momentum 0.8, weight decay 0.001 of all, gradients clipped to 2,' words &&
    grep -qF 'label smoothing 0.1, batch normalisation in groups of 16,' words &&
    grep -qF 'augmented by crop=2,rotate=10,mixup=0.2, average of weights with decay 0.9,' words &&
    grep -qF 'best epoch kept, patience of 3 epochs, seed 0' words &&
    grep -q 'kept  *the weights of epoch [123], the best on the held-out images' out
report $? "train tells all that it uses"
for pair in optimizer=sgd schedule=cosine warmup_epochs=0.5 momentum=0.8 nesterov=true \
    weight_decay=0.001 decay_all=true clip_norm=2.0 accumulate=2 label_smoothing=0.1 \
    augment=crop=2 bn_group=16 held_out=0.25 ema=0.9 keep_best=true patience=3 \
    ended_early=false steps=24; do
    [ "$(value f.json "${pair%%=*}")" = "${pair#*=}" ] || echo "$pair" >>differences
done
test ! -e differences
report $? "and so do its results"
for optimizer in sgd adam adamw adadelta rmsprop lars; do
    tn 0 train lenet --limit 1280 --epochs 4 --optimizer "$optimizer" --no-checkpoint \
        --json o.json -o o.onnx && [ "$(value o.json optimizer)" = "$optimizer" ] &&
        awk "BEGIN { exit !($(value o.json test_loss) < 2.2) }"
    report $? "train --optimizer $optimizer learns"
done
tn 0 train lenet --limit 320 --epochs 1 --optimizer adamw --weight-decay 0 --no-checkpoint \
    --json o.json -o o.onnx && ! grep -q 'weight decay' out &&
    [ "$(value o.json weight_decay)" = 0.0 ]
report $? "--weight-decay 0 switches off what is the default"
tn 0 train lenet --limit 640 --epochs 9 --schedule constant --lr 1e-12 --held-out 0.25 \
    --patience 1 --no-checkpoint --json o.json -o o.onnx &&
    grep -q '^ended early .* since epoch' out &&
    [ "$(value o.json ended_early)" = true ] && [ "$(value o.json epochs)" -lt 9 ]
report $? "train --patience ends early"
failure 'shorter than training' train lenet --epochs 2 --warmup 2 --no-checkpoint --quiet -o w.onnx
failure 'groups of 5 samples' train lenet --batch-size 8 --bn-group 5 --no-checkpoint --quiet \
    -o w.onnx
"$tenon" train lenet --limit 640 --epochs 1 -o full.onnx >/dev/full 2>err
[ $? -eq 1 ] && [ -s full.onnx ]
report $? "train: a full standard output is an error, but the model is saved"

# A run that is refused leaves the directory of the one at work alone, though it is still empty.
"$tenon" train lenet --epochs 1 --checkpoint-every 600 -o busy.onnx >busy.log 2>&1 </dev/null &
pid=$!
for _ in $(seq 1200); do
    [ -d busy.checkpoints ] && break
    sleep 0.01
done
failure 'another training run is using it' train lenet --epochs 1 --quiet -o busy.onnx
wait $pid && [ -s busy.onnx ]
report $? "a second run in one directory does not harm the first"

# idx FILE MAGIC DIMENSION... writes zeros behind a header; numbers are below 256.
idx() {
    file=$1 kind=$2 size=1
    shift 2
    printf '\0\0\010\'"$kind" >"$file"
    for d in "$@"; do
        printf '\0\0\0\'"$(printf %03o "$d")" >>"$file"
        size=$((size * d))
    done
    head -c $size /dev/zero >>"$file"
}
mkdir misfit
idx misfit/train-images-idx3-ubyte 003 20 28 28
idx misfit/train-labels-idx1-ubyte 001 20
idx misfit/t10k-images-idx3-ubyte 003 5 14 14
idx misfit/t10k-labels-idx1-ubyte 001 5
failure 'its test images are of 14x14, its training images of 28x28' \
    train lenet --epochs 1 --data ./misfit --quiet -o misfit.onnx
idx misfit/t10k-images-idx3-ubyte 003 5 28 28
printf '\0\0\010\001\0\0\0\005\0\0\0\0\013' >misfit/t10k-labels-idx1-ubyte
failure 'its test images have 12 classes' \
    train lenet --epochs 1 --data ./misfit --quiet -o misfit.onnx
ok "misfits are found before training" test ! -e misfit.onnx

# ---- stop and resume ----------------------------------------------------------------------------

long='train lenet --limit 3200 --epochs 12 --json'
# shellcheck disable=SC2086
tn 0 $long whole.json -o whole.onnx
report $? "an undisturbed run"
# stop SIGNAL CODE FILE: stops a run after its first epoch.
stop() {
    # shellcheck disable=SC2086
    "$tenon" $long "$3.json" -o "$3 it's.onnx" >out 2>err </dev/null &
    pid=$!
    for _ in $(seq 1200); do
        grep -q 'epoch *1/12' out && break
        sleep 0.05
    done
    kill "-$1" $pid
    wait $pid
    got=$?
    [ $got -eq "$2" ] || { echo "exit code $got, not $2" >>err; false; }
}
for signal in INT:130 TERM:143; do
    name=${signal%:*}
    stop "$name" "${signal#*:}" "$name" && grep -q '^stopped at step [1-9]' out &&
        [ ! -e "$name it's.onnx" ] && [ "$(value "$name.json" stopped)" = true ] &&
        [ "$(value "$name.json" test_accuracy)" = null ]
    report $? "SIG$name writes a checkpoint and says how to go on"
    tail -n 1 out >go-on.sh
    sh go-on.sh >out 2>err && grep -q 'resumed after step [1-9]' out
    report $? "the printed command resumes after SIG$name"
    cmp -s whole.onnx "$name it's.onnx" && [ "$(value "$name.json" resumed)" = true ] &&
        [ "$(value "$name.json" weights_sha256)" = "$(value whole.json weights_sha256)" ]
    report $? "the weights are those of an undisturbed run (SIG$name)"
done

# ---- bench --------------------------------------------------------------------------------------

tn 0 bench whole.onnx --seconds 0.3 --threads 2 --json speed.json && is_json speed.json &&
    [ "$(grep -cE '^(latency|throughput) +(reference|fp32) +[0-9.]+ ' out)" -eq 4 ] &&
    [ "$(value speed.json threads)" -eq 2 ] && [ "$(value speed.json batch_size)" -eq 1 ] &&
    for key in peak_gflops latency_us_p50 latency_us_p90 latency_us_p99 images_per_s \
        share_of_peak runs; do
        value=$(value speed.json $key)
        [ -n "$value" ] && [ "$value" != null ] || echo "$key: $value" >>err
    done && ! [ -s err ]
report $? "bench: two hints in two modes"
tn 0 bench whole.onnx --seconds 0.1 --hint throughput --batch-size 4 --data mnist --json - &&
    is_json out && ! grep -q '"hint": "latency"' out && [ "$(value out batch_size)" -eq 4 ]
report $? "bench --hint throughput --data"
tn 0 bench resnet20 --seconds 0.1 --hint latency && grep -q '^latency  *fp32' out
report $? "bench of a built-in network"
usage_error 'one of latency, throughput' bench whole.onnx --hint speed
usage_error 'add --tune, or --json' bench whole.onnx -o whole.json
failure 'fewer images than a batch' bench whole.onnx --batch-size 20000 --data mnist

# ---- tuning -------------------------------------------------------------------------------------

usage_error 'which model' bench --tune
usage_error '--hint is about inference' bench lenet --tune --hint latency
usage_error 'takes a number more than 0' bench lenet --tune --seconds 0
usage_error 'add --plan' info lenet --tuning t.json
usage_error 'add --train' info lenet --plan --tuning t.json
failure 'has a size of its own' bench whole.onnx --tune --data mnist
failure 'it is the model' bench whole.onnx --tune -o whole.onnx
failure 'cannot read none.json' train lenet --tuning none.json
tn 0 bench lenet --tune --seconds 0.01 && grep -q 'There is no choice' out
report $? "bench --tune: a network without a choice"
tn 0 bench mnist-cnn --tune --batch-size 16 --seconds 0.1 -o t.json --json b.json &&
    grep -q '^wrote t.json' out && grep -q '^32x26x26 by 64x32x3x3, sparse (1 layer)' out &&
    grep -qE '^  weight-gradient .*tiles [0-9]' out && is_json b.json && is_json t.json &&
    [ "$(value b.json level)" = "$(value t.json level)" ]
report $? "bench --tune prints and writes choices"
sed '/"forward"/s/"implementation": "[a-z]*"/"implementation": "tiles"/' t.json >tiles.json
sed '/"forward"/s/"implementation": "[a-z]*"/"implementation": "winograd"/' t.json >winograd.json
for name in tiles winograd; do
    tn 0 info mnist-cnn --plan --train --batch-size 16 --tuning $name.json --json - &&
        grep -A 1 '"operator": "Conv",' out | grep -q "\"implementation\": \"$name\""
    report $? "info --plan --train --tuning shows the choice of $name"
done
small='train mnist-cnn --limit 128 --batch-size 16 --epochs 1 --quiet'
tuned="$small --checkpoint tuned"
# shellcheck disable=SC2086
tn 0 $small --tuning winograd.json -o winograd.onnx &&
    tn 0 $tuned --tuning tiles.json -o tiles.onnx --json m.json &&
    ! cmp -s tiles.onnx winograd.onnx && [ "$(value m.json tuning_sha256)" != null ]
report $? "train --tuning computes as the table says"
# shellcheck disable=SC2086
tn 0 $tuned --tuning tiles.json -o again.onnx --resume && cmp -s tiles.onnx again.onnx
report $? "train --tuning --resume"
# shellcheck disable=SC2086
failure 'but this run has none (give the file' $tuned -o q.onnx --resume
# shellcheck disable=SC2086
failure 'with tuning' $tuned --tuning winograd.json -o q.onnx --resume
sed 's/"level": "[a-z0-9]*"/"level": "other"/' t.json >level.json
failure 'is for other kernels, and these are' train mnist-cnn --tuning level.json -o q.onnx
sed 's/"implementation": "tiles"/"implementation": "fast"/' tiles.json >fast.json
failure 'fast.json: its choice 1: unknown implementation fast' \
    train mnist-cnn --tuning fast.json -o q.onnx
failure 'it is the tuning' train mnist-cnn --tuning t.json --json t.json -o q.onnx

# ---- infer --------------------------------------------------------------------------------------

digits=$root/examples/digits
tn 0 infer whole.onnx --json - && is_json out && [ "$(value out images)" -eq 10000 ] &&
    grep -q accuracy err &&
    [ "$(value out test_accuracy)" = "$(value whole.json test_accuracy)" ] &&
    [ "$(value out weights_sha256)" = "$(value whole.json weights_sha256)" ]
report $? "infer --json -: the same accuracy on the test images as train said"
grep -qE '^class +images +precision +recall +F1$' err &&
    [ "$(grep -cE '^[0-9] +[0-9,]+ +[0-9.]+ % +[0-9.]+ % +[0-9.]+ %$' err)" -eq 10 ] &&
    ! grep -q 'taken for' err
report $? "infer: a table of the classes, and no matrix that nobody asked for"
if command -v jq >/dev/null; then
    jq -e '(.confusion | map(add) | add) == .images and
        ([range(10) as $k | .confusion[$k][$k]] | add) == .correct and
        ([range(10) as $k | .classes[$k] | .images == 0 or
            (.correct / .images - .recall | fabs) < 1e-9] | all) and
        ([range(10) as $k | .classes[$k].images == (.confusion[$k] | add)] | all) and
        ([range(10) as $k | .classes[$k].predicted == (.confusion | map(.[$k]) | add)] | all) and
        ([.classes[] | (2 * .precision * .recall / (.precision + .recall) - .f1 | fabs) < 1e-9] |
            all)' out >err
    report $? "infer: matrix, classes and accuracy agree"
else
    skip "infer: matrix, classes and accuracy agree" "there is no jq"
fi
COLUMNS=80 tn 0 infer whole.onnx --confusion &&
    sed -n '/^rows: what it is/,$p' out >matrix && [ "$(grep -cE '^[0-9] ' matrix)" -eq 10 ] &&
    awk 'length > 80 { exit 1 }' matrix && ! grep -q "$(printf '\033')" out
report $? "infer --confusion: fits into 80 columns"
COLUMNS=30 tn 0 infer whole.onnx --confusion && grep -qE '^is +taken for +images$' out &&
    grep -q 'too wide' out
report $? "infer --confusion: the most frequent ones if the matrix is too wide"
tn 0 infer whole.onnx --mistakes sheet.png --mistakes-count 5 && grep -q '5 mistakes' out &&
    [ "$(head -c 4 sheet.png | tail -c 3)" = PNG ]
report $? "infer --mistakes: a sheet"
failure 'it is the model' infer whole.onnx --mistakes ./whole.onnx
failure 'the sheet of mistakes, too' infer whole.onnx --mistakes both --json ./both
failure 'cannot write no/m.png' infer whole.onnx --mistakes no/m.png
tn 0 infer whole.onnx "$digits"/[0-9]-a.png && [ "$(grep -c '%), else' out)" -eq 10 ]
report $? "infer: a line per image in a pipe"
tn 0 infer whole.onnx "$digits"/[0-9]-a.png --batch-size 3 --json - && is_json out &&
    [ "$(grep -c '"class":' out)" -eq 10 ]
report $? "infer --batch-size 3 gives ten results"
right=$(awk -F'[/".]+' '/"file"/ { f = substr($(NF - 2), 1, 1) }
    /"class":/ { split($0, c, /[ ,:]+/); if (c[3] == f) k++ }
    END { print k + 0 }' out)
[ "$right" -ge 7 ]
report $? "infer: at least 7 of the 10 digits are right ($right)"
tn 0 infer whole.onnx --draw "$digits/7-a.png" "$digits/1-a.png" &&
    ! grep -q "$(printf '\033')" out &&
    grep -q '@' out && grep -qE '7-a\.png +1-a\.png' out && awk 'length > 100 { exit 1 }' out
report $? "infer --draw: in plain ASCII in a pipe, side by side"
tn 0 train mnist-cnn --limit 64 --epochs 1 --no-checkpoint -o cnn.onnx &&
    tn 0 infer cnn.onnx "$digits/7-a.png" --batch-size 1000000
report $? "infer: takes no memory for more images than there are"
COLUMNS=40 tn 0 infer whole.onnx --draw "$digits/7-a.png" "$digits/1-a.png" &&
    ! grep -qE '7-a\.png +1-a\.png' out
report $? "infer --draw: one below the other if narrow"
tn 0 infer whole.onnx "$digits/7-a.png" --top 3 --repeat 20 --json top.json && is_json top.json &&
    [ "$(grep -cE '^ +[0-9.<>]+ %  [0-9]$' out)" -eq 3 ] &&
    [ "$(grep -c '"probability"' top.json)" -eq 4 ] && [ "$(value top.json runs)" -eq 20 ] &&
    grep -qE '^latency +p50 [0-9.]+ us, p90 [0-9.]+, p99 [0-9.]+ \(20 runs of 1 image\)$' out &&
    grep -q '"latency_us_p99"' top.json
report $? "infer --top, --repeat"
seq -f 'digit %g' 0 9 >names.txt
echo one >whole.txt
tn 0 infer whole.onnx "$digits/7-a.png" --classes names.txt && grep -q ': digit 7 (' out
report $? "infer --classes"
tn 0 infer whole.onnx "$digits/7-a.png" --no-draw && cp out plain &&
    tn 0 infer whole.onnx "$digits/7-a.png" --no-draw --mean 0 --std 1 --scale 0..1 \
        --resize-shorter 28 && tail -1 out >told && tail -1 plain | cmp -s - told
report $? "infer: preparing pixels as they are anyhow changes nothing"
tn 0 infer whole.onnx --mean 0.5 --std 0.01 --json - && [ "$(value out correct)" -lt 9000 ] &&
    is_json out
report $? "infer: preparing pixels in another way does"
usage_error '--mean takes one number, or one for each' infer whole.onnx --mean 1,2
usage_error '--std takes one number' infer whole.onnx --std x
usage_error '--top is for images' infer whole.onnx --top 3
usage_error 'of a data set: tenon bench' infer whole.onnx --repeat 3
usage_error '--resize-shorter is for tenon infer' train ./whole.onnx --resize-shorter 32
usage_error 'lenet is built for the data' train lenet --mean 0.5
failure 'scale must be 1 or 255, std above 0' infer whole.onnx --std 0.0000001
failure 'blue, green and red: there are 1' infer whole.onnx --colour bgr
failure 'cannot read none.txt' infer whole.onnx --classes none.txt
failure '1 names for the 10 classes' infer whole.onnx --classes whole.txt
failure 'cannot be cut out of pictures' infer whole.onnx "$digits/7-a.png" --resize-shorter 27
tn 1 infer whole.onnx "$digits/7-a.png" missing.png noise.onnx --json some.json &&
    grep -q 'missing.png' err && grep -q 'noise.onnx' err && is_json some.json &&
    [ "$(grep -c '"file"' some.json)" -eq 1 ]
report $? "infer: unreadable images are named, the others classified"
cp whole.onnx precious.onnx
for verb in infer info; do
    failure 'cannot write ./precious.onnx: it is the model' "$verb" precious.onnx \
        --json ./precious.onnx
done
failure 'it is one of the images' infer precious.onnx precious.png precious.onnx \
    --json "$(ln -s "$digits/7-a.png" precious.png && echo precious.png)"
failure 'cannot write no/r.json' infer precious.onnx --json no/r.json
# Seven bytes of ones among the weights hold a float, and it is a NaN.
cp whole.onnx nan.onnx
printf '\377\377\377\377\377\377\377' | dd of=nan.onnx bs=1 seek=45000 conv=notrunc 2>/dev/null
tn 0 infer nan.onnx && grep -q 'warning: .* not finite' err
report $? "infer warns if the model computes no numbers"
tn 0 infer nan.onnx "$digits/7-a.png" && grep -q 'warning: .* not finite' err
report $? "infer warns if the model computes no numbers for an image"
ok "results never replace the model" cmp whole.onnx precious.onnx
failure 'quantised model; make one with: tenon convert whole.onnx -o whole-int8.onnx' \
    infer whole.onnx --mode int8
tn 0 infer whole.onnx --mode fp32 && grep -q 'mode fp32$' out
report $? "infer --mode fp32"
usage_error '--mode reference' infer whole.onnx --mode pytorch
usage_error 'did you mean reference?' infer whole.onnx --mode referense
usage_error '--mode reference' run whole.onnx --input x=x.npy --mode pytorch
tn 0 infer whole.onnx --threads 1 --mode reference && grep -q '1 thread' out
report $? "infer --threads 1"

# convert: the same answers from fewer nodes, and nothing left to convert afterwards.
tn 0 convert whole.onnx -o converted.onnx --json converted.json &&
    grep -qE '^nodes +14 +10$' out && grep -qE '^batch of 64 +[0-9.]+ ms +[0-9.]+ ms$' out
report $? "convert compares before and after"
is_json converted.json && [ "$(value converted.json precision)" = fp32 ] &&
    grep -q '"ms_batch_64": [0-9]' converted.json
report $? "convert --json"
tn 0 convert converted.onnx -o again.onnx && cmp converted.onnx again.onnx
report $? "converting again changes nothing"
tn 0 infer whole.onnx "$digits"/7-a.png --json - && mv out whole.out &&
    tn 0 infer converted.onnx "$digits"/7-a.png --json - &&
    [ "$(grep '"class"' out)" = "$(grep '"class"' whole.out)" ]
report $? "a converted model infers"
tn 0 train converted.onnx --limit 64 --epochs 1 -o trained.onnx && [ -s trained.onnx ]
report $? "a converted model trains"
failure 'quantising is planned' convert whole.onnx -o int8.onnx --precision int8
failure 'it is the model' convert whole.onnx -o whole.onnx
usage_error '-o OUT.onnx is missing' convert whole.onnx
usage_error 'which model' convert -o out.onnx

# One class, of which there are five black images; nine more of the model's never occur.
mkdir one
for split in train t10k; do
    idx one/$split-images-idx3-ubyte 003 5 28 28
    idx one/$split-labels-idx1-ubyte 001 5
done
COLUMNS=80 tn 0 infer whole.onnx --data ./one --confusion --mistakes one.png --json one.json &&
    is_json one.json && [ "$(grep -c '"recall": null' one.json)" -eq 9 ] &&
    grep -qE '^0 +5 ' out && grep -qE '^[1-9] +0 +.* - ' out && [ -s one.png ]
report $? "infer: classes without test images"
tn 0 train lenet --data ./one --epochs 1 --no-checkpoint --quiet -o sure.onnx &&
    COLUMNS=80 tn 0 infer sure.onnx --data ./one --confusion --mistakes none.png &&
    grep -q '0 mistakes' out && [ -s none.png ]
report $? "infer: one class and no mistakes"

# ---- pictures -----------------------------------------------------------------------------------

for d in 3 7; do
    mkdir -p "pictures/train/$d" "pictures/test/$d"
    for i in 0 1 2 3 4 5 6 7; do
        cp "$root/examples/digits/$d-a.png" "pictures/train/$d/$i.png"
    done
    cp "$root/examples/digits/$d-a.png" "pictures/test/$d/0.png"
done
folder='train lenet --data pictures --epochs 6 --batch-size 4 --checkpoint folder --json'
# shellcheck disable=SC2086
tn 0 $folder folder.json -o folder.onnx && grep -q '16 grey images of 28x28, 2 classes$' out &&
    [ "$(value folder.json test_accuracy)" = 1.0 ] && [ "$(value folder.json skipped)" -eq 0 ]
report $? "train: a folder of pictures for each class"
rm "folder/$(ls folder | tail -n 1)"
# shellcheck disable=SC2086
tn 0 $folder again.json -o again.onnx --resume && grep -q 'resumed after step 20$' out &&
    cmp folder.onnx again.onnx
report $? "train --resume: the pictures are the same, and so are the weights"
cp pictures/train/3/0.png pictures/train/7/0.png
# shellcheck disable=SC2086
failure 'cannot resume' $folder again.json -o again.onnx --resume --quiet
tn 0 infer folder.onnx --data pictures --json r.json && grep -q '100.00 % (2 of 2)' out &&
    [ -n "$(value r.json test_loss)" ] && [ -n "$(value r.json test_accuracy)" ] &&
    [ "$(value r.json skipped)" -eq 0 ]
report $? "infer --data: a folder of pictures"
tn 0 train lenet --data pictures --image-size 20x24 --channels 3 --fit stretch --batch-size 4 \
    --epochs 1 -o sized.onnx && grep -q 'colour images of 24x20' out &&
    tn 0 train sized.onnx --data pictures --batch-size 4 --epochs 1 -o more.onnx &&
    grep -q 'colour images of 24x20' out && tn 0 infer more.onnx --data pictures && ! [ -s err ]
report $? "train --image-size --channels; a model from a file brings its size along"
cp "$root/tests/fuzz/corpus/jpeg/grey.jpg" pictures/test/7/other-size.jpg
tn 0 infer folder.onnx pictures/test/7/other-size.jpg && grep -q 'resized to 28x28' out
report $? "infer: a JPEG image"
failure 'pictures/test/7/other-size.jpg is 9 high and 11 wide' train lenet --data pictures --quiet
echo text >pictures/test/3/broken.png
echo text >pictures/train/3/notes.txt
failure 'pictures/train/3/notes.txt' train lenet --data pictures --image-size 28 --quiet
failure 'pictures/train/3/notes.txt' infer folder.onnx --data pictures
tn 0 train lenet --data pictures --image-size 28 --skip-bad --batch-size 4 --epochs 1 \
    --json r.json -o left.onnx && [ "$(value r.json skipped)" -eq 2 ] &&
    grep -q '2 bad files left out' out && grep -q 'left out: .*test/3/broken.png' err &&
    grep -q 'left out: .*train/3/notes.txt' err
report $? "train --skip-bad says what it leaves out"
tn 0 infer folder.onnx --data pictures --skip-bad --json r.json &&
    grep -q '3 test images, 1 bad file left out' out && [ "$(value r.json skipped)" -eq 1 ]
report $? "infer --skip-bad says what it leaves out"
mkdir -p others/test && cp -r pictures/test/7 others/test/1 && cp -r pictures/test/7 others/test/4
tn 0 infer folder.onnx --data others && grep -q 'warning: class 0 is 1 in the data and 3' err
report $? "infer warns if the classes are others"
for size in 0 x 28x 28x0 -1 28x28x3 16385 99999999999999999999; do
    usage_error '--image-size takes pixels' train --image-size "$size"
done
usage_error '--channels takes 1 for grey or 3' train --channels 2
usage_error 'one of crop, stretch' train --fit squeeze
failure '--image-size is for folders of pictures' train --limit 64 --epochs 1 --image-size 32
failure '--channels is for folders of pictures' train --limit 64 --epochs 1 --channels 3
usage_error '--skip-bad is for data sets' infer folder.onnx 7.png --skip-bad
failure 'is a directory, not an image (of a data set: --data pictures)' infer folder.onnx pictures

# ---- run ----------------------------------------------------------------------------------------

# name_of KEY: the name of the first of the model's inputs or outputs.
name_of() {
    "$tenon" info whole.onnx --json - 2>/dev/null |
        sed -n "/\"$1\"/,/\]/s/.*\"name\": \"\(.*\)\".*/\1/p" | head -1
}
input=$(name_of inputs)
output=$(name_of outputs)
failure 'x.npy' run whole.onnx --input "$input=x.npy"
if command -v python3 >/dev/null; then
    # A digit as a float32 array of 1x1x28x28, made with nothing but the standard library.
    python3 - "$digits/7-a.png" x.npy <<'PY'
import struct, sys, zlib
png = open(sys.argv[1], "rb").read()
at, data = 8, b""
while at < len(png):
    size, kind = struct.unpack(">I4s", png[at:at + 8])
    if kind == b"IDAT":
        data += png[at + 8:at + 8 + size]
    at += 12 + size
rows = zlib.decompress(data)
pixels = [rows[29 * y + 1 + x] / 255 for y in range(28) for x in range(28)]
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }"
head += " " * (117 - len(head)) + "\n"
open(sys.argv[2], "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() +
                              struct.pack("<784f", *pixels))
PY
    tn 0 run whole.onnx --input "$input=x.npy" --output "$output=y.npy" --json run.json &&
        is_json run.json && grep -q 'float32 1x10' out && [ -s y.npy ]
    report $? "run: an array in, an array out"
    "$tenon" infer whole.onnx "$digits/7-a.png" --json one.json >out 2>err
    python3 - y.npy one.json <<'PY' 2>>err
import json, math, struct, sys
y = struct.unpack("<10f", open(sys.argv[1], "rb").read()[-40:])
image = json.load(open(sys.argv[2]))["images"][0]
p = math.exp(max(y)) / sum(map(math.exp, y))
assert y.index(max(y)) == image["class"] and abs(p - image["probability"]) < 1e-6, (y, image)
PY
    report $? "run and infer agree"
    tn 0 run whole.onnx --input "$input=x.npy" --output "$output=y.pb" && [ -s y.pb ]
    report $? "run: writes a TensorProto"
    failure 'no output "nonsense"' run whole.onnx --input "$input=x.npy" --output nonsense=y.npy
    failure 'nonsense' run whole.onnx --input nonsense=x.npy
    failure 'cannot write no/y.npy' run whole.onnx --input "$input=x.npy" \
        --output "$output=no/y.npy"
    failure 'it is an input' run whole.onnx --input "$input=x.npy" --output "$output=x.npy"
    failure 'it is an output, too' run whole.onnx --input "$input=x.npy" \
        --output "$output=z.npy" --json z.npy
    # shellcheck disable=SC2046
    tn 0 $("$tenon" help run | sed -n 's/^  tenon \(run .*\)/\1/p' | sed 's/mnist-cnn/whole/')
    report $? "run: the example of its help works"
    failure 'it has 4 dimensions in the model, but 2 are given' \
        run whole.onnx --input "$input=y.npy"
    tn 0 info whole.onnx --shape "$input=5x1x28x28"
    report $? "info: --shape"
    failure 'dimension 2 is 28 in the model, but 30 is given' \
        info whole.onnx --shape "$input=5x1x30x28"
    failure '--shape takes NAME=1x3x224x224, not "28x28"' info whole.onnx --shape 28x28
    failure '--shape is for models from files' info lenet --shape x=1x1
else
    skip "run" "no python3 to make an array"
fi

finish
