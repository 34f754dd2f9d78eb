// Package docs has no code but its tests: they extract the console and Go blocks of the pages, run them, and compare what
// comes out with what the pages say.
//
// In a console block a line that begins with "$ " is a command for the shell, and the lines up to the next one are what it
// prints, where "..." stands for any text, and alone in a line for any number of lines. A command that is shown without
// its output only has to succeed. The blocks of a page are run in order, in an IPC namespace that is the page's own, so
// that one finds what those before have made: the commands in a temporary directory, those of go in the module's.
//
// A Go block that is no whole program is the body of a function; what it does not declare is in the prelude of the test.
package docs
