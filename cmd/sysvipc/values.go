package main

import (
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// maxValue is the highest value of a semaphore (SEMVMX).
const maxValue = 32767

// parseValues reads values of semaphores, with commas between them.
func parseValues(s string) ([]int, error) {
	var values []int
	for _, word := range strings.Split(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 || n > maxValue {
			return nil, cli.Usage("%q is no value: a semaphore has a value from 0 to %d", word, maxValue)
		}
		values = append(values, n)
	}
	return values, nil
}

// valuesFlag is the value of --init.
type valuesFlag struct{ values []int }

func (f *valuesFlag) String() string {
	words := make([]string, len(f.values))
	for i, v := range f.values {
		words[i] = strconv.Itoa(v)
	}
	return strings.Join(words, ",")
}
func (f *valuesFlag) Type() string { return "VALUES" }
func (f *valuesFlag) Set(s string) (err error) {
	f.values, err = parseValues(s)
	return err
}
