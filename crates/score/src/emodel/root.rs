//! The sixth root, which the delay impairment is made of.

/// `x^(1/6)` of a normal number of at least 1, to the last digits of an `f64`.
///
/// The square root is exact; the cube root begins with a third of the exponent (at most 6 % off)
/// and is refined three times by Halley's iteration, which triples the digits.
pub(super) fn sixth_root(x: f64) -> f64 {
    let square = libm::sqrt(x);
    let guess = f64::from_bits(square.to_bits() / 3 + BIAS);
    (0..3).fold(guess, |root, _| {
        let cube = root * root * root;
        root * (cube + 2.0 * square) / (2.0 * cube + square)
    })
}

/// Two thirds of the exponent bias, less what makes the guess good on average.
const BIAS: u64 = 0x2a9f_7893_782d_a1ce;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_roots() {
        for i in 0..200_000_u32 {
            let x = libm::exp2(f64::from(i) / 1000.0);
            let root = sixth_root(x);
            let off = libm::pow(root, 6.0) / x - 1.0;
            assert!(off.abs() < 4e-15, "{x}: {root}, off by {off:e}");
        }
    }
}
