//! A wrong attribute is a compile error at its own place that names the problem and what is
//! accepted. The expected messages are beside the cases.

#[test]
fn mistakes_are_named_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/attribute/accepted.rs");
    cases.compile_fail("tests/attribute/wrong_*.rs");
}
