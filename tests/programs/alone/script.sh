# bash: arrays, functions, a here-document, an open descriptor, positional parameters, a trap.
set -u
folder=$1
ready() {
    echo "ready $1"
    until [ -e "$folder/$1" ]; do read -r -t 0.01 _ < "$folder/never" || true; done
}
[ -e "$folder/never" ] || mkfifo "$folder/never" 2> /dev/null
exec 8<> "$folder/never"
exec 7> "$folder/bash.out"
declare -A count
trap 'echo "trapped at $sum"' USR1
sum=0
for stage in 1 2; do
    for ((i = 0; i < 3000; i++)); do
        sum=$(((sum * 31 + i) % 65521))
        count[$((sum % 7))]=$((${count[$((sum % 7))]:-0} + 1))
    done
    echo "stage $stage" >&7
    set -- "$stage" "of two" "$sum"
    ready "$stage"
    kill -USR1 $BASHPID
    echo "$# $*"
done
exec 7>&-
cat < "$folder/bash.out"
for key in 0 1 2 3 4 5 6; do echo "$key ${count[$key]}"; done
