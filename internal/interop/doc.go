// Package interop tests that unrelated programs share the kernel's objects with this module: programs in C, Perl and Python,
// each through the bindings of its own language. There is nothing in it but tests.
package interop
