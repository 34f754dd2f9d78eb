package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sysvipc/sysvipc/cluster"
)

// pull receives from a consumer, and asks for more before the last is taken. Unlike
// jetstream.Consumer's Messages it makes no object for each message.
type pull struct {
	conn     *cluster.Conn
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

// pullMost is how many messages are on their way at most.
const pullMost = 512

// pullBeat is how often the servers say that they have nothing.
const pullBeat = time.Second

// errAgain is why a pull has ended: begin another one.
var errAgain = errors.New("begin again")

func openPull(c *cluster.Conn, stream, consumer string) (*pull, error) {
	_, api := c.JetStream()
	p := &pull{
		conn: c, subject: api + "CONSUMER.MSG.NEXT." + stream + "." + consumer, inbox: nats.NewInbox(),
		messages: make(chan *nats.Msg, 2*pullMost+64), timer: time.NewTimer(0), lost: c.Reconnection(),
	}
	var err error
	p.sub, err = c.NATS().ChanSubscribe(p.inbox+".*", p.messages)
	return p, err
}

func (p *pull) close() {
	p.timer.Stop()
	p.sub.Unsubscribe()
}

// next returns the next message, or waits for it. It fails with errAgain when something
// may have been lost, and with the context's error.
func (p *pull) next(ctx context.Context) (*nats.Msg, error) {
	for {
		if p.asked <= pullMost/2 {
			if err := p.ask(pullMost - p.asked); err != nil {
				return nil, errAgain
			}
		}
		m, err := p.one(ctx)
		if err != nil {
			return nil, err
		}
		if m.Reply != "" {
			p.asked--
			if at, err := m.Metadata(); err == nil {
				p.seen = at.Sequence.Consumer
			}
			return m, nil
		}
		switch status := m.Header.Get("Status"); status {
		case "100": // it is alive
			if last, err := strconv.ParseUint(m.Header.Get("Nats-Last-Consumer"), 10, 64); err == nil && last > p.seen {
				return nil, errAgain // what it delivered last did not come
			}
		case "404", "408": // a request was not answered in time
			left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
			if err != nil {
				return nil, errAgain
			}
			p.asked -= left
		default: // there is no such consumer, or no leader
			return nil, errAgain
		}
	}
}

func (p *pull) ask(n int) error {
	text, err := json.Marshal(struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires"`
		Beat    time.Duration `json:"idle_heartbeat"`
	}{n, 30 * time.Second, pullBeat})
	if err != nil {
		return err
	}
	p.asked += n
	p.requests++
	return p.conn.NATS().PublishRequest(p.subject, fmt.Sprint(p.inbox, ".", p.requests), text)
}

// one returns what comes next, of whatever kind.
func (p *pull) one(ctx context.Context) (*nats.Msg, error) {
	select {
	case m := <-p.messages:
		return m, nil
	default:
	}
	p.timer.Reset(3 * pullBeat)
	select {
	case m := <-p.messages:
		return m, nil
	case <-p.lost:
	case <-p.timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return nil, errAgain
}
