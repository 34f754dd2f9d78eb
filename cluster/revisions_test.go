package cluster_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster"
)

const bucketStream = "KV_sysvipc"

// revision is a semaphore set's entry.
type revision struct {
	Values []int               `json:"values"`
	Token  uint64              `json:"token"`
	Hold   map[string][][2]int `json:"hold"`
	Wait   []struct {
		Session string `json:"session"`
	} `json:"wait"`
	Done map[string]struct {
		Session string `json:"session"`
		Token   uint64 `json:"token"`
	} `json:"done"`
	Removed bool `json:"removed"`
}

// everyRevision has the servers keep all revisions of what they hold, and returns what looks
// at those of a set: semaphore 0, which is used with undo only, and what is held of it are
// always so many together; tokens do not go back; nobody is named that is not in; and who has
// left, or was ended by others, never comes back.
func everyRevision(t *testing.T, conn *cluster.Conn, name string) (checkAll func(total int)) {
	t.Helper()
	js, err := jetstream.New(conn.NATS())
	check(t, err)
	bucket, err := js.Stream(soon(t), bucketStream)
	check(t, err)
	config := bucket.CachedInfo().Config
	config.RePublish = &jetstream.RePublish{Source: "$KV.sysvipc.sem.>", Destination: "revisions.>"}
	_, err = js.UpdateStream(soon(t), config)
	check(t, err)
	subject := "sem." + regexp.MustCompile(`[^A-Za-z0-9_-]`).ReplaceAllStringFunc(name, func(c string) string { return fmt.Sprintf("=%02X", c[0]) })
	var mu sync.Mutex
	var all []*nats.Msg
	sub, err := conn.NATS().Subscribe("revisions."+subject[len("sem."):], func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, m)
	})
	check(t, err)
	check(t, sub.SetPendingLimits(-1, -1))
	check(t, conn.NATS().FlushWithContext(soon(t)))
	return func(total int) {
		t.Helper()
		end, err := bucket.GetLastMsgForSubject(soon(t), "$KV.sysvipc."+subject)
		check(t, err)
		eventually(t, "the last revision is seen", func() bool {
			mu.Lock()
			defer mu.Unlock()
			if len(all) == 0 {
				return false
			}
			seen, err := strconv.ParseUint(all[len(all)-1].Header.Get("Nats-Sequence"), 10, 64)
			check(t, err)
			return seen >= end.Sequence // grants are noticed later, too
		})
		missing, last, lastSeq := 0, revision{}, ""
		left := map[string]bool{}
		mu.Lock()
		defer mu.Unlock()
		for _, m := range all {
			seq := m.Header.Get("Nats-Sequence")
			if m.Header.Get("Nats-Last-Sequence") != lastSeq && lastSeq != "" {
				missing++
			}
			lastSeq = seq
			var r revision
			if err := json.Unmarshal(m.Data, &r); err != nil {
				t.Fatal(err)
			}
			if r.Removed {
				continue
			}
			sum := r.Values[0]
			for _, undo := range r.Hold {
				for _, p := range undo {
					if p[0] == 0 {
						sum += p[1]
					}
				}
			}
			if sum != total {
				t.Errorf("revision %s: value %d and holds %v are %d together, want %d", seq, r.Values[0], r.Hold, sum, total)
			}
			if r.Token < last.Token {
				t.Errorf("revision %s: token %d after %d", seq, r.Token, last.Token)
			}
			named := map[string]bool{}
			for _, w := range r.Wait {
				named[w.Session] = true
			}
			for _, g := range r.Done {
				named[g.Session] = true
			}
			for id := range named {
				if _, in := r.Hold[id]; !in {
					t.Errorf("revision %s names session %s, which is not in", seq, id)
				}
			}
			for id := range last.Hold {
				if _, in := r.Hold[id]; !in {
					left[id] = true
				}
			}
			for id := range r.Hold {
				if left[id] {
					t.Errorf("revision %s: session %s is back from its end", seq, id)
				}
			}
			last = r
		}
		t.Logf("%d revisions seen, %d times some are missing", len(all), missing)
		if len(all) < 2 || missing > 0 && config.Replicas == 1 { // a leader that dies may take one along
			t.Errorf("%d revisions were seen, %d times some are missing", len(all), missing)
		}
	}
}
