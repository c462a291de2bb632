#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let run = rask_fuzz::find_target("spill").expect("a target of this name");
    run(data);
});
