# Subshells in a pipeline, one in the background, a command substitution within, and a signal to a child.
folder=$2
gate() {
    echo "ready $1" >&9
    until [ -e "$folder/$1" ]; do read -r -t 0.01 _ < "$folder/never" || true; done
}
exec 9>&1
[ -e "$folder/never" ] || mkfifo "$folder/never"
exec 8<> "$folder/never"
(
    trap 'echo "background: asked"; exit 5' USR1
    while :; do read -r -t 0.01 _ <&8 || true; done
) &
background=$!
for ((i = 1; i <= 3000; i++)); do echo "$i"; done | (
    sum=0
    while read -r number; do
        sum=$((sum + number))
        if ((number == 1000)); then gate 1; fi
        if ((number == 2000)); then gate 2; fi
    done
    echo "the sum is $(echo $sum)"
    exit 3
)
echo "statuses ${PIPESTATUS[*]}"
kill -USR1 $background
wait $background
echo "the background ended with $?"
