package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// The bucket holds an entry for each semaphore set, lease and variable. It is a
// key-value bucket as nats.go and the command nats know it, with two differences: its
// entries are read from the leader only, since another replica may be behind, and leases
// have a time to live.
const (
	bucket       = "sysvipc"
	bucketStream = "KV_" + bucket
	bucketPrefix = "$KV." + bucket + "."
)

// markerTime is for how long the server shows that a lease has ended, to those who were
// cut off when it did.
const markerTime = 10 * time.Minute

// openBucket makes the bucket if there is none.
func (c *Conn) openBucket(ctx context.Context) error {
	c.mu.Lock()
	known := c.buckets[bucket]
	c.mu.Unlock()
	if known {
		return nil
	}
	err := c.Retry(ctx, func(ctx context.Context) error {
		_, err := c.js.Stream(ctx, bucketStream)
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		_, err = c.reserve(ctx, jetstream.StreamConfig{
			Name: bucketStream, Description: "sysvipc semaphore sets and variables", Subjects: []string{bucketPrefix + ">"},
			MaxMsgsPerSubject: 1, MaxMsgs: -1, MaxBytes: defaultBytes, MaxMsgSize: -1, Discard: jetstream.DiscardNew, Replicas: c.replicas,
			AllowRollup: true, DenyDelete: true, AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTime,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil
		}
		return err
	})
	if err == nil {
		c.mu.Lock()
		c.buckets[bucket] = true
		c.mu.Unlock()
	}
	return err
}

// entry is what a key holds.
type entry struct {
	data     []byte
	revision uint64 // 0: nothing was ever written, or it is long gone
}

// read returns what a key holds, from the leader.
func (c *Conn) read(ctx context.Context, key string) (entry, error) {
	m, err := c.stored(ctx, bucketStream, `{"last_by_subj":"`+bucketPrefix+key+`"}`)
	return entry{m.Data, m.Seq}, err
}

// storedMessage is a message as it lies in a stream.
type storedMessage struct {
	Subject string `json:"subject"`
	Seq     uint64 `json:"seq"` // 0: there is none
	Data    []byte `json:"data"`
}

// stored asks the leader of a stream for a message. The other servers might answer too, but
// what one of them has can be old, and one that is stopped does not answer.
func (c *Conn) stored(ctx context.Context, stream, request string) (m storedMessage, err error) {
	err = c.Retry(ctx, func(ctx context.Context) error {
		m = storedMessage{}
		answer, err := c.nc.RequestWithContext(ctx, c.api+"STREAM.MSG.GET."+stream, []byte(request))
		if err != nil {
			return err
		}
		var got struct {
			Error   *jetstream.APIError `json:"error"`
			Message storedMessage       `json:"message"`
		}
		if err := json.Unmarshal(answer.Data, &got); err != nil {
			return fmt.Errorf("answer %.40q: %w", answer.Data, err)
		}
		switch {
		case got.Error == nil:
			m = got.Message
		case got.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound:
			return got.Error
		}
		return nil
	})
	return m, err
}

// readLatest is read, of what was the latest at some time during this call. A leader that
// was cut off or stopped does not know at once that there is another, and read would return
// what it has. So a message follows, which only a majority can store, and only if the key
// still has this revision.
func (c *Conn) readLatest(ctx context.Context, key string) (entry, error) {
	probed := uint64(0) // a message that was stored during this call
	probe := func(header nats.Header) error {
		header[jetstream.MsgIDHeader] = []string{c.number()}
		return c.Retry(ctx, func(ctx context.Context) error {
			a, err := c.store(ctx, &nats.Msg{Subject: bucketPrefix + "probe", Header: header})
			if err == nil {
				probed = a.Seq
			}
			return err
		})
	}
	for {
		e, err := c.read(ctx, key)
		if err != nil || !c.elects || probed > 0 && e.revision > probed {
			return e, err
		}
		err = probe(nats.Header{
			jetstream.ExpectedLastSubjSeqHeader:     {strconv.FormatUint(e.revision, 10)},
			jetstream.ExpectedLastSubjSeqSubjHeader: {bucketPrefix + key},
		})
		if !jserr.Is(err, jetstream.JSErrCodeStreamWrongLastSequence, jserr.StreamWrongLastSequenceConstant) {
			return e, err
		}
		// Others write. What they write after a message of ours is late enough.
		if probed == 0 {
			if err := probe(nats.Header{}); err != nil {
				return entry{}, err
			}
		}
	}
}

// wentBack says that the servers have less than they had acknowledged: they lost it with their
// machines, or were restored from a copy.
func (c *Conn) wentBack(t object, known, has uint64) {
	c.metrics.Count("went_back", t.name, 1)
	c.note(fmt.Sprintf("the servers went back: %s %q was at revision %d, and is at %d", t.kind, t.name, known, has), errWentBack)
}

var errWentBack = errors.New("what they had acknowledged is lost, or replaced by a copy of before")

// swap writes a key if its revision is still this one; 0: if there is nothing. It
// returns the new revision, or 0 if it was not. It goes on for a while after the end of
// ctx, since what it did must be known. With a ttl the entry ends by itself.
func (c *Conn) swap(ctx context.Context, key string, data []byte, revision uint64, ttl time.Duration) (next uint64, err error) {
	id := c.number()
	msg := &nats.Msg{Subject: bucketPrefix + key, Data: data, Header: nats.Header{
		jetstream.MsgIDHeader:               {id},
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(revision, 10)},
	}}
	if ttl > 0 {
		msg.Header[jetstream.MsgTTLHeader] = []string{ttl.String()}
	}
	tries, probes := 0, 0
	err = beyond(ctx, func(ctx context.Context) error {
		a, err := c.storeAgain(ctx, msg, &tries)
		if !jserr.Is(err, jetstream.JSErrCodeStreamWrongLastSequence, jserr.StreamWrongLastSequenceConstant) {
			next = a.Seq
			return err
		}
		if next = 0; tries == 1 && (!c.elects || laterThan(err, revision)) {
			return nil
		}
		// An earlier try, whose answer was lost, may have done it. Or the answer is of a server
		// that led before, is behind, and does not know it yet, while the one that leads has done
		// it. That one knows, since it stores a message with this ID only once: it would answer
		// with the one that it has.
		probe := "probe." + id
		a, err = c.storeAgain(ctx, &nats.Msg{Subject: bucketPrefix + probe, Header: nats.Header{
			jetstream.MsgIDHeader: {id}, jetstream.MsgTTLHeader: {probeTime.String()}, operationHeader: {"PURGE"},
		}}, &probes)
		if err != nil || !a.Duplicate {
			return err
		}
		if probes > 1 {
			// It may be the probe that is there already.
			e, err := c.readLatest(ctx, probe)
			if err != nil || e.revision == a.Seq {
				return err
			}
		}
		next = a.Seq
		return nil
	})
	return next, err
}

// storeAgain stores a message, which has an ID, as often as it takes, and counts how often it was sent.
func (c *Conn) storeAgain(ctx context.Context, msg *nats.Msg, tries *int) (a ack, err error) {
	err = c.Retry(ctx, func(ctx context.Context) (err error) {
		*tries++
		a, err = c.store(ctx, msg)
		return err
	})
	return a, err
}

// beyond calls f with a context that goes on for a while after the end of ctx: what f did must be known.
func beyond(ctx context.Context, f func(context.Context) error) error {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(attempt, cancel) })()
	err := f(late)
	if err == nil || late.Err() == nil || !errors.Is(err, late.Err()) {
		return err
	}
	if u := (*unanswered)(nil); errors.As(err, &u) {
		return &unanswered{ctx.Err(), u.said}
	}
	return ctx.Err()
}

// probeTime is for how long a probe is kept, which nobody else ever looks at.
const probeTime = time.Minute

// end takes a key away that has this revision. It leaves a mark of a second, for watchers, and
// then nothing: a message that ends by its time to live leaves one of markerTime.
func (c *Conn) end(ctx context.Context, key string, revision uint64) error {
	msg := ending(key, revision)
	return c.Retry(ctx, func(ctx context.Context) error {
		_, err := c.store(ctx, msg)
		return err
	})
}

// unmark takes the mark of an ended key away, which every new watcher would read. If that does
// not arrive, the mark ends later.
func (c *Conn) unmark(key string, revision uint64) { c.nc.PublishMsg(ending(key, revision)) }

func ending(key string, revision uint64) *nats.Msg {
	return &nats.Msg{Subject: bucketPrefix + key, Header: nats.Header{
		operationHeader:                     {"PURGE"},
		jetstream.MsgTTLHeader:              {time.Second.String()},
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(revision, 10)},
	}}
}

// operationHeader says that a message takes a key away. Such a one leaves no mark when its
// time to live ends.
const operationHeader = "KV-Operation"

// laterThan reports whether a server refused a write since the key has a later revision:
// then nobody can do it any more.
func laterThan(err error, revision uint64) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	_, digits, _ := strings.Cut(api.Description, "wrong last sequence: ")
	has, err := strconv.ParseUint(digits, 10, 64)
	return err == nil && has > revision
}
