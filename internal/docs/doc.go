// Package docs has no code but its tests: they extract the console and Go blocks of the pages, run them, and compare what
// comes out with what the pages say.
//
// In a console block a line that begins with "$ " is a command for the shell, and the lines up to the next one are what it
// prints, where "..." stands for any text, and alone in a line for any number of lines; columns may be wider or narrower.
// What it writes to its standard error can be left out, or stands at the end; of "sysvipc explain" lines may end elsewhere. A
// command that is shown without its output only has to succeed; one that ends in "; echo $?" prints how it failed. One shell
// runs all commands of a page. What they begin with "&" runs beside those that follow, and has ended when the page ends: once
// something was begun, a command that only looks is made again until it prints what the page has. The blocks of a page are
// run in order, in an IPC namespace that is the page's own, so that one finds what those before have made: the commands in a
// temporary directory, and where "cd" leads from there; those of go in the module's as long as there was no "cd". The module
// is there as "sysvipc", as if it were cloned. "apt-get install" names the packages that a page needs: without them it is
// skipped, and fails with CI=true.
//
// A Go block that is no whole program is the body of a function; what it does not declare is in the prelude of the test. A whole
// program prints what stands behind "// Output:" at its end; one that begins with the name of a file, as "// main.go", is written to
// it, for commands that follow. So is a block of any language whose fence has the name of a file behind the language.
package docs
