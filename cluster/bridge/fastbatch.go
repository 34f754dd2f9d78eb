package bridge

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/sysvipc/sysvipc/cluster"
)

// fastBatch publishes messages to a queue one behind the other without waiting for
// answers, and yet in order: the servers store each only if they stored the one before it
// (ADR-50's fast ingest, with gaps forbidden; NATS 2.14). They answer each so many
// messages, and at the end.
//
// What the servers of a cluster know of an ID that is on its way in another batch, they
// take for stored, and may be wrong: an ID that was published in a batch must not be
// published in another. Once a batch is over, send what was not stored with SendOnce.
type fastBatch struct {
	conn    *cluster.Conn
	subject string // with the type to follow
	answers chan *nats.Msg
	lost    <-chan struct{} // closed when what was on its way is
	sub     *nats.Subscription
	inbox   string
	id      string
	flow    string // each so many messages are answered
	seq     uint64 // of the last message that was published
	stored  uint64 // of the last that is known to be stored
	ending  bool   // it was asked for its end
	over    bool

	msg nats.Msg // the last one: nats.go copies it
	typ int64    // of it
	ids []string // in its header
}

// openFastBatch returns one that holds up to room messages that are not answered yet. It
// is over: start it.
func openFastBatch(conn *cluster.Conn, subject string, room int) (*fastBatch, error) {
	b := &fastBatch{conn: conn, subject: subject, answers: make(chan *nats.Msg, 2*room+16), inbox: nats.NewInbox(), over: true, ids: []string{""}}
	b.msg.Header = nats.Header{jetstream.MsgIDHeader: b.ids}
	var err error
	b.sub, err = conn.NATS().ChanSubscribe(b.inbox+".>", b.answers)
	return b, err
}

func (b *fastBatch) close() { b.sub.Unsubscribe() }

// start begins a new batch. What comes for the one before is not for this one.
func (b *fastBatch) start(flow int) {
	b.id, b.flow = nuid.Next(), strconv.Itoa(flow)
	b.seq, b.stored, b.ending, b.over = 0, 0, false, false
	b.lost = b.conn.Reconnection()
}

// Operations, as they stand in the subject for the answer.
const (
	opStart = ".0.$FI"
	opMore  = ".1.$FI"
	opEnd   = ".3.$FI" // without a message
)

func (b *fastBatch) reply(seq uint64, operation string) string {
	return b.inbox + "." + b.id + "." + b.flow + ".fail." + strconv.FormatUint(seq, 10) + operation
}

// publish sends a message with a number of the sender's.
func (b *fastBatch) publish(id string, typ int64, data []byte) {
	b.seq++
	operation := opMore
	if b.seq == 1 {
		operation = opStart
	}
	if typ != b.typ {
		b.typ, b.msg.Subject = typ, b.subject+strconv.FormatInt(typ, 10)
	}
	b.ids[0], b.msg.Data, b.msg.Reply = id, data, b.reply(b.seq, operation)
	if b.conn.NATS().PublishMsg(&b.msg) != nil {
		b.over = true
	}
}

// end asks for an answer to what has none, which is the last.
func (b *fastBatch) end() {
	b.ending = true
	if b.conn.NATS().PublishRequest(b.subject+"1", b.reply(b.seq+1, opEnd), nil) != nil {
		b.over = true
	}
}

// answered reads an answer.
func (b *fastBatch) answered(m *nats.Msg) {
	if rest, ok := strings.CutPrefix(m.Subject, b.inbox+"."); !ok || !strings.HasPrefix(rest, b.id+".") || b.over {
		return
	}
	var a struct {
		Type  string          `json:"type"`
		Seq   uint64          `json:"seq"`
		Batch string          `json:"batch"`
		Count uint64          `json:"count"`
		Error json.RawMessage `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &a); {
	case err == nil && a.Type == "ack" && a.Seq <= b.seq:
		b.stored = max(b.stored, a.Seq)
	case err == nil && a.Error == nil && a.Batch == b.id && a.Count <= b.seq: // the end, asked for or not
		b.stored, b.over = max(b.stored, a.Count), true
	default: // such as that the queue is full
		b.over = true
	}
}
