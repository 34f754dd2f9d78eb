// Package output is what the commands print: JSON, lines for programs, and tables for eyes.
//
// Each shape of JSON that is published is a Go struct here, from [Object] to [Region]; docs/schema has the
// same as a JSON Schema. A [Document] is what -o json writes: a list of one of them. What another program
// wrote, such as a message or the name of a program, is escaped before it reaches a terminal, also in JSON.
package output
