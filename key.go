package sysvipc

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Key is the 32-bit name under which unrelated programs find the same object:
// key_t of ipc(7). The kernel has one table of keys for each kind of object, so
// a segment, a set and a queue may share a key.
type Key int32

// Private is IPC_PRIVATE: an object without a key. It is found only by its ID,
// and each creation with Private makes a new object.
const Private Key = 0

// String returns the key as ipcs(1) shows it, such as "0x000004d2".
func (k Key) String() string { return fmt.Sprintf("0x%08x", uint32(k)) }

// KeyOf returns the key that this package gives to a name: FNV-1a of its bytes.
// It is the same in every release and on every port, and never [Private].
//
// Two names may have one key: with 1,000 names on a machine the chance is about
// 1 in 8,600. Objects carry no name, so nobody but the programs can notice.
func KeyOf(name string) Key {
	h := fnv.New32a()
	h.Write([]byte(name))
	if k := Key(h.Sum32()); k != Private {
		return k
	}
	return 1
}

// ParseKey reads a key as people write it: hexadecimal with 0x as in ipcs(1), or
// decimal, signed as in /proc/sysvipc or not. A leading zero is refused, since C
// programs take it for octal and people do not.
func ParseKey(s string) (Key, error) {
	digits, base := s, 10
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		digits, base = hex, 16
	}
	bad := func(why string) (Key, error) {
		return 0, fmt.Errorf("sysvipc: key %q: %s (write it as 0x4d2, 1234 or -1234)", s, why)
	}
	var n int64
	var err error
	if strings.HasPrefix(digits, "-") && base == 10 {
		n, err = strconv.ParseInt(digits, base, 32)
	} else {
		var u uint64
		u, err = strconv.ParseUint(digits, base, 32)
		n = int64(u)
	}
	if err != nil {
		return bad(reason(err))
	}
	if bare := strings.TrimPrefix(digits, "-"); base == 10 && len(bare) > 1 && bare[0] == '0' {
		return bad("a leading zero could mean octal")
	}
	return Key(int32(uint32(n))), nil
}

// reason says why a number was not read, without strconv's own prefix.
func reason(err error) string {
	if numErr, ok := err.(*strconv.NumError); ok {
		if numErr.Err == strconv.ErrRange {
			return "a key has 32 bits"
		}
		return "not a number"
	}
	return err.Error()
}
