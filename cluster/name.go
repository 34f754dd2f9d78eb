package cluster

import (
	"fmt"
	"strings"
)

// maxName keeps subjects and the names of streams, which are directories of the server,
// below what servers and file systems take.
const maxName = 64

// token returns the name as one token of a subject, which is also a name for a stream:
// letters, digits, - and _ stand for themselves, other bytes for their number. No two
// names have the same token.
func token(name string) (string, error) {
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("cluster: name %q: a name has from 1 to %d bytes", name, maxName)
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String(), nil
}
