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
)

// feed is what a consumer has for one receiver, which asks for more before it has taken
// the last.
type feed struct {
	conn     *Conn
	subject  string // of requests
	inbox    string
	sub      *nats.Subscription
	messages chan *nats.Msg
	lost     <-chan struct{} // closed when what was on its way is
	asked    int             // how many messages may come yet
	seen     uint64          // the number of the last that came, among those that the consumer delivered
	requests int
	timer    *time.Timer
}

// feedMost is how many messages are on their way at most.
const feedMost = 512

// feedBeat is how often the servers say that they have nothing.
const feedBeat = time.Second

// errAgain is why a feed has ended: begin another one.
var errAgain = errors.New("begin again")

func (c *Conn) openFeed(stream, consumer string) (*feed, error) {
	f := &feed{
		conn: c, subject: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer, inbox: nats.NewInbox(),
		messages: make(chan *nats.Msg, 2*feedMost+64), timer: time.NewTimer(0), lost: c.reconnection(),
	}
	var err error
	f.sub, err = c.nc.ChanSubscribe(f.inbox+".*", f.messages)
	return f, err
}

func (f *feed) close() {
	f.timer.Stop()
	f.sub.Unsubscribe()
}

// next returns the next message, or waits for it. It fails with errAgain when something
// may have been lost, and with the context's error.
func (f *feed) next(ctx context.Context) (*nats.Msg, error) {
	for {
		if f.asked <= feedMost/2 {
			if err := f.ask(feedMost - f.asked); err != nil {
				return nil, errAgain
			}
		}
		m, err := f.one(ctx)
		if err != nil {
			return nil, err
		}
		if m.Reply != "" {
			f.asked--
			if at, ok := standingOf(m.Reply); ok {
				f.seen = at.nth
			}
			return m, nil
		}
		switch status := m.Header.Get("Status"); status {
		case "100": // it is alive
			if last, err := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64); err == nil && last > f.seen {
				return nil, errAgain // what it delivered last did not come
			}
		case "404", "408": // a request was not answered in time
			left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
			if err != nil {
				return nil, errAgain
			}
			f.asked -= left
		default: // there is no such consumer, or no leader
			return nil, errAgain
		}
	}
}

func (f *feed) ask(n int) error {
	text, err := json.Marshal(struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires"`
		Beat    time.Duration `json:"idle_heartbeat"`
	}{n, 30 * time.Second, feedBeat})
	if err != nil {
		return err
	}
	f.asked += n
	f.requests++
	return f.conn.nc.PublishRequest(f.subject, fmt.Sprint(f.inbox, ".", f.requests), text)
}

// one returns what comes next, of whatever kind.
func (f *feed) one(ctx context.Context) (*nats.Msg, error) {
	select {
	case m := <-f.messages:
		return m, nil
	default:
	}
	f.timer.Reset(3 * feedBeat)
	select {
	case m := <-f.messages:
		return m, nil
	case <-f.lost:
	case <-f.timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return nil, errAgain
}

// standing is where a message stands.
type standing struct {
	attempts     int    // how often it was delivered; 1: for the first time
	seq          uint64 // in the stream
	stored       uint64 // when, in nanoseconds of the server's clock
	nth, pending uint64 // its number among those that the consumer delivered; how many are to come
}

// standingOf reads it in the subject for the acknowledgement: $JS.ACK.stream.consumer and
// then delivered.sequence.consumer-sequence.time.pending, or the same with domain and
// account before the stream, and something behind.
func standingOf(reply string) (s standing, ok bool) {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return s, false
	}
	skip := 2
	if strings.Count(rest, ".") >= 8 {
		skip = 4
	}
	var numbers [5]uint64
	for i := -skip; i < len(numbers); i++ {
		var word string
		word, rest, _ = strings.Cut(rest, ".")
		if i < 0 {
			continue
		}
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return s, false
		}
		numbers[i] = n
	}
	return standing{attempts: int(numbers[0]), seq: numbers[1], nth: numbers[2], stored: numbers[3], pending: numbers[4]}, true
}
