#!/bin/bash
# Datasets without labels from outside: what works, what is refused, what a row says.
# shellcheck source=tests/outside.sh
. "$(dirname "$0")/outside.sh"

# A grey JPEG of 16 x 16 pixels, 64 + 16 times.
mkdir data
base64 -d >data/one.jpg <<'END'
/9j/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/
wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABAX/xAAXEAADAQAAAAAAAAAAAAAAAAAAAgQx/9oACAEBAAA/ACzr
hTnXAM64U51w/9k=
END
echo image,caption,split >data/captions.csv
for i in $(seq 80); do
    cp data/one.jpg "data/$i.jpg"
    echo "$i.jpg,\"number $i, grey\",$([ "$i" -gt 64 ] && echo test || echo train)" >>data/captions.csv
done

run() {
    "$program" run --seeds 0 --data "captions:data,size=16" --patch 4 --epochs 1 --batch 16 --quiet "$@"
}

expect "that nothing will be evaluated is said first" 0 'warning: nothing will be evaluated, since captions has no labels' run --methods random --protocols linear,knn
expect "a method without labels trains" 0 'linear skipped: captions has no labels' run --methods mae
expect "the table says why there is no number" 0 'mae.*skipped' "$program" report out
expect "a method that needs labels is refused" 2 'supervised needs labels' run --methods supervised
expect "beside others it is a row that says why" 0 'supervised needs labels, and captions has none' run --methods random,supervised

expect "a vocabulary that is missing is said before anything is trained" 2 'nope.txt: cannot open it: No such file' \
    run --methods mae --protocols retrieval --retrieval.lit_vocabulary nope.txt --out late
expect "and heads that do not divide a width" 2 'retrieval.lit_text_dim 100 must be divisible by retrieval.lit_text_heads 3' \
    run --methods mae --protocols retrieval --retrieval.lit_text_dim 100 --retrieval.lit_text_heads 3 --out late
expect "nothing was trained for it" 1 '' test -e late
(echo path,label,split && for i in 1 2 3 4; do echo "data/$i.jpg,${i}0000,train"; done && echo data/5.jpg,1,test) >classes.csv
expect "more classes than are stored are a row" 0 'skipped: list has 40001 classes, more than the 32767' \
    "$program" run --seeds 0 --methods random --data list:classes.csv,size=16 --patch 4 --protocols linear,zeroshot --quiet --out classes

sed "s#^[0-9]#$PWD/data/&#" data/captions.csv >absolute.csv
expect "a table may name images by absolute paths" 0 '64 for training, 16 for testing' "$program" data info captions:absolute.csv,size=16
mkdir -p links/{train,test}/{a,b}
for folder in links/*/*; do cp data/one.jpg "$folder"; done
ln -s nowhere links/train/a/two.jpg
expect "a link to nowhere is a broken image" 2 'a/two.jpg: ' "$program" data info folder:links
expect "which can be left out" 0 'left out +1 bad images: a/two.jpg' "$program" data info folder:links,bad=skip
head -c -10 data/one.jpg >data/70.jpg
expect "a broken test image is not read for training" 0 'skipped' run --methods mae --out other
head -c -10 data/one.jpg >data/7.jpg
expect "a broken image is named" 2 'data/7\.jpg: offset [0-9]*: cannot decode this JPEG' run --methods mae --out third
rm data/7.jpg
expect "a missing image is named with its line" 2 'captions\.csv: line 8: data/7\.jpg: cannot open it: No such file' run
echo '9.jpg,"open,train' >>data/captions.csv
expect "an open quote is named with its line" 2 'captions\.csv: line 82: .*never closed' run
