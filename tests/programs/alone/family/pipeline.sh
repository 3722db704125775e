# A pipeline of programs, for which the shell waits.
relay=$1
folder=$2
"$relay" "$folder" source | "$relay" "$folder" twice | "$relay" "$folder" sink
echo "${PIPESTATUS[@]}"
