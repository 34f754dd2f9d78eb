package sysv

import (
	"encoding/binary"
	"testing"
)

func TestMtype(t *testing.T) {
	msg := make([]byte, MtypeSize+1)
	for _, typ := range []int64{0, 1, -1, 258, MaxMtype, -MaxMtype - 1} {
		msg[MtypeSize] = 'x'
		PutMtype(msg, typ)
		if got := Mtype(msg); got != typ {
			t.Errorf("type %d: got %d", typ, got)
		}
		if msg[MtypeSize] != 'x' {
			t.Errorf("type %d: the text is overwritten", typ)
		}
	}
	PutMtype(msg, 258)
	if MtypeSize == 4 && binary.NativeEndian.Uint32(msg) != 258 || MtypeSize == 8 && binary.NativeEndian.Uint64(msg) != 258 {
		t.Errorf("type 258 is not a native long: % x", msg)
	}
}
