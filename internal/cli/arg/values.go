package arg

import (
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// MaxValue is the highest value of a semaphore (SEMVMX).
const MaxValue = 32767

// ParseValues reads values of semaphores, with commas between them.
func ParseValues(s string) ([]int, error) {
	var values []int
	for _, word := range strings.Split(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 || n > MaxValue {
			return nil, cli.Usage("%q is no value: a semaphore has a value from 0 to %d", word, MaxValue)
		}
		values = append(values, n)
	}
	return values, nil
}

// Values is the value of --init.
type Values struct{ List []int }

func (f *Values) String() string {
	words := make([]string, len(f.List))
	for i, v := range f.List {
		words[i] = strconv.Itoa(v)
	}
	return strings.Join(words, ",")
}
func (f *Values) Type() string { return "VALUES" }
func (f *Values) Set(s string) (err error) {
	f.List, err = ParseValues(s)
	return err
}
