// Package plural writes numbers with their nouns.
package plural

import "strconv"

// Of returns "1 message" or "2 messages".
func Of(n int, noun string) string { return Forms(n, noun, noun+"s") }

// Forms returns a number with its noun, or with noun and verb, for one or for many: "1 thread waits", "2 threads wait".
func Forms(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Times returns "once" or "2 times".
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
