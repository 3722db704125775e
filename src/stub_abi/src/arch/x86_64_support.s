# What compiled Rust may call without saying so, and a libc would bring. Hidden: the application's own
# memcpy stays the application's. Speed does not matter, only the initialiser uses them.

    .macro hidden name
    .globl  \name
    .hidden \name
    .type   \name, @function
    .endm

    .section .text.mana_support, "ax", @progbits

# void *memcpy(void *to /* rdi */, const void *from /* rsi */, size_t count /* rdx */)
    hidden memcpy
memcpy:
    mov     rax, rdi            # the result is `to`
    mov     rcx, rdx
    rep movsb                   # rcx bytes from [rsi] to [rdi], upwards
    ret

# void *memmove(void *to, const void *from, size_t count): memcpy, but the two may overlap
    hidden memmove
memmove:
    mov     rax, rdi
    mov     rcx, rdx
    mov     r8, rdi
    sub     r8, rsi             # distance from `from` up to `to`, huge if `to` is below
    cmp     r8, rdx
    jb      1f                  # `to` starts inside the source: copy from the end
    rep movsb
    ret
1:  lea     rdi, [rdi + rdx - 1]
    lea     rsi, [rsi + rdx - 1]
    std                         # downwards
    rep movsb
    cld                         # the ABI wants the flag clear
    ret

# void *memset(void *to /* rdi */, int byte /* esi */, size_t count /* rdx */)
    hidden memset
memset:
    mov     r8, rdi
    mov     eax, esi
    mov     rcx, rdx
    rep stosb                   # rcx times al to [rdi]
    mov     rax, r8
    ret

# int memcmp(const void *a /* rdi */, const void *b /* rsi */, size_t count /* rdx */); bcmp is the same
    hidden memcmp
    hidden bcmp
memcmp:
bcmp:
    xor     ecx, ecx            # index
1:  cmp     rcx, rdx
    je      2f
    movzx   eax, byte ptr [rdi + rcx]
    movzx   r8d, byte ptr [rsi + rcx]
    inc     rcx
    sub     eax, r8d            # the difference of the first two that differ is the result
    jz      1b
    ret
2:  xor     eax, eax
    ret

# size_t strlen(const char *text /* rdi */)
    hidden strlen
strlen:
    xor     eax, eax
1:  cmp     byte ptr [rdi + rax], 0
    je      2f
    inc     rax
    jmp     1b
2:  ret

# Core was compiled with unwinding and names its routine; panics abort here, so it is never called.
    hidden rust_eh_personality
rust_eh_personality:
    ud2
