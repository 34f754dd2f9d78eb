package shared_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// A program that declares a structure otherwise than it was made learns what differs.
func TestDeclaredOtherwise(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	_, err := shared.ChanOf[int64](r, "chan", 3)
	mustDo(t, err)
	_, err = shared.TopicOf[int64](r, "topic", 16)
	mustDo(t, err)
	_, err = shared.MapOf[int64, int64](r, "map", 5)
	mustDo(t, err)
	_, err = shared.DocOf[string](r, "doc", 100)
	mustDo(t, err)
	_, err = shared.RecordsOf(r, "records", 1000)
	mustDo(t, err)
	is := func(want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	_, err = shared.ChanOf[int64](r, "chan", 4) // rounded up it is the same
	mustDo(t, err)
	_, err = shared.ChanOf[int64](r, "chan", 5)
	is("made for 4 messages, and is declared for 8", err)
	_, err = shared.ChanOf[int32](r, "chan", 8)
	is("i32 at 0 here, i64 at 0 there", err)
	_, err = shared.TopicOf[int64](r, "topic", 99)
	is("made for 16 messages, and is declared for 128", err)
	_, err = shared.MapOf[int64, int64](r, "map", 6)
	is("made for 5 entries, and is declared for 6", err)
	_, err = shared.MapOf[int32, int64](r, "map", 6)
	is("key i32 at 0 here, key i64 at 0 there", err)
	_, err = shared.DocOf[string](r, "doc", 101)
	is("made for 100 bytes, and is declared for 101", err)
	_, err = shared.RecordsOf(r, "records", 2000)
	is("made for 1024 bytes, and is declared for 2048", err)
	_, err = shared.CounterOf(r, "records")
	is("of another kind there: records", err)
	_, err = shared.RecordsOf(r, "most", math.MaxInt)
	is("use 128 to ", err)
	type quote struct{ Bid, Ask float64 }
	type turned struct{ Ask, Bid float64 }
	type renamed struct{ Bid, Offer float64 }
	_, err = shared.VarOf[quote](r, "best")
	mustDo(t, err)
	_, err = shared.VarOf[renamed](r, "best")
	mustDo(t, err)
	_, err = shared.VarOf[turned](r, "best")
	is("the field Ask is at another place: Ask:f64@0,Bid:f64@8 here, Bid:f64@0,Ask:f64@8 there", err)
	_, err = shared.MapOf[int64, quote](r, "quotes", 5)
	mustDo(t, err)
	_, err = shared.MapOf[int64, turned](r, "quotes", 5)
	is("the field Ask is at another place", err)
	topic, err := shared.TopicOf[int64](r, "topic", 16)
	mustDo(t, err)
	_, err = topic.Subscribe(7)
	is("neither Lossy nor Gated", err)
}
