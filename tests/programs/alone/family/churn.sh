# Programs, subshells and pipelines that come and go.
sum=0
for i in $(seq 60); do
    x=$(echo $i | cat | tr -d '\n')
    ( exit $((i % 5)) ); s=$?
    /bin/true || echo "true failed $?"
    sum=$((sum + x + s))
done
echo "sum $sum"
