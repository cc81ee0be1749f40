#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signal_fish_fuzz_targets::tls_handshake(data));
