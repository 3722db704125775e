//! Calling a C function whose arguments are all integers or pointers, by address.
//!
//! Every argument of every MPI function is of class INTEGER in the System V x86-64 calling convention: six go in
//! registers, the others on the stack in 8-byte slots that the *caller* removes. So one call shape per number of
//! stack slots serves all functions, and a call with more arguments than the callee has is harmless: it never looks
//! at them.
//!
//! # Safety
//! The lower half's TLS is live. What the callee may do (allocate, block, call back) is MPI's.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the call shapes rely on the System V x86-64 calling convention");

type Six = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64) -> u64;
type Eight = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64) -> u64;
type Twelve =
    unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64) -> u64;
type Sixteen = unsafe extern "C" fn(
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
) -> u64;

/// The most arguments a function can have; MPI's longest, `MPI_Rget_accumulate`, has 13.
pub(crate) const MAX_ARGUMENTS: usize = 16;

/// Calls the function at `address` and returns its whole result register.
///
/// # Safety
/// `address` is a C function that returns an integer or nothing, takes at most `args.len()` integer-class arguments
/// and finds in `args` what its contract asks for.
///
/// # Panics
/// If there are more than [`MAX_ARGUMENTS`] arguments.
#[inline(always)]
pub(crate) unsafe fn call(address: u64, args: &[u64]) -> u64 {
    let mut a = [0_u64; MAX_ARGUMENTS];
    a[..args.len()].copy_from_slice(args);
    // SAFETY: the caller says that `address` is a function of integer-class arguments; the convention above makes
    // each of these types right for it, whatever its own number of arguments.
    unsafe {
        match args.len() {
            0..=6 => std::mem::transmute::<u64, Six>(address)(a[0], a[1], a[2], a[3], a[4], a[5]),
            7..=8 => std::mem::transmute::<u64, Eight>(address)(
                a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7],
            ),
            9..=12 => std::mem::transmute::<u64, Twelve>(address)(
                a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11],
            ),
            _ => std::mem::transmute::<u64, Sixteen>(address)(
                a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12],
                a[13], a[14], a[15],
            ),
        }
    }
}

/// Calls the function at `address`, which takes nothing and returns a `double`.
///
/// # Safety
/// `address` is a C function `double f(void)`.
#[inline(always)]
pub(crate) unsafe fn call_f64(address: u64) -> f64 {
    // SAFETY: the caller says so.
    unsafe { std::mem::transmute::<u64, unsafe extern "C" fn() -> f64>(address)() }
}

#[cfg(test)]
mod tests {
    extern "C" fn last_of_two(_: i32, last: i32) -> i32 {
        last
    }

    extern "C" fn digits(
        a: u64,
        b: u64,
        c: u64,
        d: u64,
        e: u64,
        f: u64,
        g: u64,
        h: u64,
        i: u64,
    ) -> u64 {
        [a, b, c, d, e, f, g, h, i]
            .iter()
            .fold(0, |number, digit| number * 10 + digit)
    }

    #[test]
    fn stack_arguments_arrive_in_order_and_surplus_is_ignored() {
        // SAFETY: both functions take integers only.
        unsafe {
            let args: Vec<u64> = (1..=13).collect();
            assert_eq!(super::call(digits as *const () as u64, &args), 123_456_789);
            assert_eq!(
                super::call(digits as *const () as u64, &args[..9]),
                123_456_789
            );
            assert_eq!(
                super::call(last_of_two as *const () as u64, &[0, -5_i64 as u64]) as i32,
                -5
            );
        }
    }
}
