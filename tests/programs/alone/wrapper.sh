# A script that prepares a few things and ends in the program proper.
set -u
cd "$2"
echo "starting $(basename "$1")"
exec "$1" "$2"
