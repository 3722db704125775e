// A long computation in vector registers that makes no system call: only the checkpoint signal can stop it.
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    long steps = argc > 1 ? atol(argv[1]) : 1000;
    fprintf(stderr, "ready\n");
    // Four chaotic orbits per register: any lost bit shows in the result.
    __m256d a = _mm256_set_pd(0.1, 0.2, 0.3, 0.4), b = _mm256_set_pd(0.5, 0.6, 0.7, 0.8);
    const __m256d one = _mm256_set1_pd(1.0), rate = _mm256_set1_pd(3.999);
    for (long i = 0; i < steps; i++) {
        a = _mm256_mul_pd(_mm256_mul_pd(rate, a), _mm256_sub_pd(one, a));
        b = _mm256_mul_pd(_mm256_mul_pd(rate, b), _mm256_sub_pd(one, b));
    }
    double out[8];
    _mm256_storeu_pd(out, a);
    _mm256_storeu_pd(out + 4, b);
    for (int i = 0; i < 8; i++)
        printf("%a\n", out[i]);
    return 0;
}
