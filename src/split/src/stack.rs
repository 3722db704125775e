//! The stack image a new program finds: what the kernel's execve would have built.
//!
//! ```text
//!   top   strings: execfn, envp…, argv…, platform, 16 random bytes
//!         auxv      (key, value) … (AT_NULL, 0)
//!         envp      pointers … 0
//!         argv      pointers … 0
//!   rsp-> argc                                        16-byte aligned, for every argc (System V ABI, 3.4.1)
//! ```

use std::ffi::{CStr, CString};

/// What the new program is told.
#[derive(Debug, Clone)]
pub(crate) struct Contents<'a> {
    pub(crate) args: &'a [CString],
    pub(crate) env: &'a [CString],
    /// AT_EXECFN: the path as given to execve.
    pub(crate) execfn: &'a CStr,
    /// AT_PLATFORM; empty: the kernel did not say.
    pub(crate) platform: &'a CStr,
    /// AT_RANDOM: seed of the stack protector and pointer guard.
    pub(crate) random: [u8; 16],
    /// Every other entry, in order; entries whose value is an address into this stack are added.
    pub(crate) auxv: &'a [(u64, u64)],
}

/// Builds the image for a stack that ends at address `top`; the image's first byte belongs at `top - image.len()`, which
/// is the new stack pointer.
pub(crate) fn build(contents: &Contents, top: usize) -> Vec<u8> {
    let mut strings = Strings {
        top,
        bytes: Vec::new(),
    };
    let execfn = strings.push(contents.execfn.to_bytes_with_nul());
    let env: Vec<u64> = contents
        .env
        .iter()
        .map(|s| strings.push(s.to_bytes_with_nul()))
        .collect();
    let args: Vec<u64> = contents
        .args
        .iter()
        .map(|s| strings.push(s.to_bytes_with_nul()))
        .collect();
    let random = strings.push(&contents.random);

    let mut auxv = contents.auxv.to_vec();
    auxv.push((libc::AT_RANDOM, random));
    auxv.push((libc::AT_EXECFN, execfn));
    if !contents.platform.is_empty() {
        auxv.push((
            libc::AT_PLATFORM,
            strings.push(contents.platform.to_bytes_with_nul()),
        ));
    }
    auxv.push((libc::AT_NULL, 0));

    let mut words = vec![args.len() as u64];
    words.extend(args.iter().chain(&[0]).chain(&env).chain(&[0]));
    words.extend(auxv.iter().flat_map(|&(key, value)| [key, value]));

    let words_bytes = words.len() * size_of::<u64>();
    // Whole 16-byte units keep rsp aligned: the padding lies between the vectors and the strings.
    let total_bytes = (words_bytes + strings.bytes.len()).next_multiple_of(16);
    let mut image = Vec::with_capacity(total_bytes);
    image.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    image.resize(total_bytes - strings.bytes.len(), 0);
    image.extend(strings.bytes.iter().rev());
    image
}

/// Strings from the top of the stack downwards; `bytes` is kept back to front, so that it only grows at its end.
struct Strings {
    top: usize,
    bytes: Vec<u8>,
}

impl Strings {
    /// Adds `bytes` below what is there and returns their address.
    fn push(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.extend(bytes.iter().rev());
        (self.top - self.bytes.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: usize = 0x2000_0010_0000;

    struct Stack(Vec<u8>);

    impl Stack {
        fn word(&self, index: usize) -> u64 {
            u64::from_le_bytes(self.0[index * 8..][..8].try_into().unwrap())
        }

        fn string(&self, addr: u64) -> &CStr {
            let at = self.0.len() - (TOP - addr as usize);
            CStr::from_bytes_until_nul(&self.0[at..]).unwrap()
        }
    }

    fn stack_of(argc: usize) -> Stack {
        let args: Vec<_> = (0..argc)
            .map(|i| CString::new(format!("arg{i}")).unwrap())
            .collect();
        let env = [c"A=1".to_owned(), c"B=".to_owned()];
        let contents = Contents {
            args: &args,
            env: &env,
            execfn: c"/bin/prog",
            platform: c"x86_64",
            random: *b"0123456789abcdef",
            auxv: &[(libc::AT_PAGESZ, 4096)],
        };
        Stack(build(&contents, TOP))
    }

    #[test]
    fn is_aligned_and_complete_for_odd_and_even_argc() {
        for argc in 0..6 {
            let stack = stack_of(argc);
            assert_eq!((TOP - stack.0.len()) % 16, 0, "argc {argc}");
            assert_eq!(stack.word(0), argc as u64);
            for i in 0..argc {
                assert_eq!(
                    stack.string(stack.word(1 + i)).to_str().unwrap(),
                    format!("arg{i}")
                );
            }
            assert_eq!(stack.word(1 + argc), 0);
            assert_eq!(stack.string(stack.word(2 + argc)), c"A=1");
            assert_eq!(stack.string(stack.word(3 + argc)), c"B=");
            assert_eq!(stack.word(4 + argc), 0);
        }
    }

    #[test]
    fn auxv_points_into_the_stack() {
        let stack = stack_of(1);
        let auxv = (6..).step_by(2).map(|i| (stack.word(i), stack.word(i + 1)));
        let auxv: Vec<_> = auxv.take_while(|entry| entry.0 != libc::AT_NULL).collect();
        let value = |key| auxv.iter().find(|entry| entry.0 == key).unwrap().1;
        assert_eq!(value(libc::AT_PAGESZ), 4096);
        assert_eq!(stack.string(value(libc::AT_EXECFN)), c"/bin/prog");
        assert_eq!(stack.string(value(libc::AT_PLATFORM)), c"x86_64");
        let random = stack.0.len() - (TOP - value(libc::AT_RANDOM) as usize);
        assert_eq!(&stack.0[random..random + 16], b"0123456789abcdef");
    }
}
