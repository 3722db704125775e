//! A steered system call looks like a system call: nothing but rax, rcx and r11 changes.

mod common;

use common::{compile, in_window, stdout};
use mana_split::window::{WINDOW_END, WINDOW_START};

/// Fills every register, the flags and the red zone, maps a page, and compares.
const PRESERVATION: &str = r#"
    #include <immintrin.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    char before[16][32] __attribute__((aligned(32))), after[16][32] __attribute__((aligned(32)));
    unsigned long red[16], general[8];
    /* Returns the mapping's address. A leaf: its data is in the red zone. */
    unsigned long steered(void);
    __asm__(
        ".globl steered\nsteered:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vmovdqa before+32*\\n(%rip), %ymm\\n\n .endr\n"
        ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n movq $\\n, -8*\\n(%rsp)\n .endr\n"
        "xor %edi,%edi; mov $8192,%esi; mov $3,%edx; mov $0x22,%r10d; mov $-1,%r8; xor %r9d,%r9d\n"
        "mov $101,%ebx; mov $102,%ebp; mov $103,%r12d; mov $104,%r13d; mov $105,%r14d; mov $106,%r15d\n"
        "std; stc\n"                          /* direction and carry set */
        "mov $9,%eax; syscall\n"
        "setc carry(%rip); pushfq; pop %r11; cld; mov %r11, flags(%rip)\n"
        ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vmovdqa %ymm\\n, after+32*\\n(%rip)\n .endr\n"
        ".irp n,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n mov -8*\\n(%rsp), %rcx; mov %rcx, red+8*(\\n-1)(%rip)\n .endr\n"
        "mov %rdi, general(%rip); mov %rsi, general+8(%rip); mov %rdx, general+16(%rip); mov %r10, general+24(%rip)\n"
        "mov %r8, general+32(%rip); mov %r9, general+40(%rip); lea (%rbx,%rbp), %rcx; add %r12,%rcx; add %r13,%rcx\n"
        "add %r14,%rcx; add %r15,%rcx; mov %rcx, general+48(%rip)\n"
        "vzeroupper; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");
    unsigned char carry; unsigned long flags;
    int main(void) {
        for (int i = 0; i < 16; i++) memset(before[i], i * 11 + 1, 32);
        unsigned long address = steered();
        int wrong = memcmp(before, after, sizeof before) != 0;
        for (int i = 1; i < 16; i++) wrong |= (red[i] != (unsigned long)i + 1) << 1;
        unsigned long expected[8] = {0, 8192, 3, 0x22, -1, 0, 101 + 102 + 103 + 104 + 105 + 106};
        wrong |= (memcmp(general, expected, sizeof expected) != 0) << 2;
        wrong |= (!carry || !(flags & 0x400)) << 3;
        printf("%lx %d\n", address, wrong);
        return 0;
    }
"#;

#[test]
fn registers_flags_and_red_zone_survive() {
    let avx = std::fs::read_to_string("/proc/cpuinfo")
        .unwrap()
        .contains(" avx ");
    if !avx {
        return eprintln!("SKIPPED: no AVX here");
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = compile(
        dir.path(),
        "preserve",
        PRESERVATION,
        &["-O1", "-mavx", "-no-pie"],
    ) else {
        return;
    };
    for _ in 0..2 {
        let output = in_window(&program).output().unwrap();
        let text = stdout(&output);
        let (address, wrong) = text
            .trim()
            .split_once(' ')
            .unwrap_or_else(|| panic!("{output:?}"));
        let address = usize::from_str_radix(address, 16).unwrap();
        assert!(
            (WINDOW_START..WINDOW_END).contains(&address),
            "not steered: {text}"
        );
        assert_eq!(
            wrong, "0",
            "bits: 1 ymm, 2 red zone, 4 general registers, 8 flags"
        );
    }
}
