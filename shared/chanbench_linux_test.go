package shared_test

import (
	"strconv"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// cellMessage fills a cell of one line.
type cellMessage [7]int64

// echo sends back what it receives on "c" on "back".
var chanEcho = ipctest.Register("chan echo", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(background, key, nil)
	c.Check(err)
	there, err := shared.ChanOf[cellMessage](r, "c", 1024)
	c.Check(err)
	back, err := shared.ChanOf[cellMessage](r, "back", 1024)
	c.Check(err)
	c.Say("ready")
	for m, err := range there.All(background) {
		c.Check(err)
		c.Check(back.Send(background, m))
	}
})

// sink receives until the end, and says how many.
var chanSink = ipctest.Register("chan sink", func(c *ipctest.ChildEnv) {
	ch := childChan[cellMessage](c, 1024)
	batch, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	buf := make([]cellMessage, batch)
	c.Say("ready")
	sum := int64(0)
	for {
		if batch == 1 {
			m, err := ch.Receive(background)
			if err != nil {
				break
			}
			sum += m[0] + m[6]
			continue
		}
		n, err := ch.ReceiveBatch(background, buf)
		if err != nil {
			break
		}
		for _, m := range buf[:n] {
			sum += m[0] + m[6]
		}
	}
	c.Say("%d", sum)
})

// source sends as many messages as it is asked for.
var chanSource = ipctest.Register("chan source", func(c *ipctest.ChildEnv) {
	ch := childChan[cellMessage](c, 1024)
	c.Say("ready")
	n, err := strconv.Atoi(c.Listen())
	c.Check(err)
	for i := range int64(n) {
		c.Check(ch.Send(background, cellMessage{i, 0, 0, 0, 0, 0, 1}))
	}
	c.Say("sent")
})

func BenchmarkChanRoundTrip(b *testing.B) {
	key := ipctest.Key(b)
	r := ensure(b, key)
	there, back := chanOf[cellMessage](b, r, "c", 1024), chanOf[cellMessage](b, r, "back", 1024)
	p := ipctest.Start(b, chanEcho, nil, sysvipc.Key(key).String())
	p.Expect("ready")
	b.ReportAllocs()
	b.ResetTimer()
	for i := range int64(b.N) {
		if err := there.Send(background, cellMessage{i}); err != nil {
			b.Fatal(err)
		}
		if m, err := back.Receive(background); err != nil || m[0] != i {
			b.Fatal(m, err)
		}
	}
	b.StopTimer()
	_ = there.Close()
	p.Finish()
}

func BenchmarkChanStream(b *testing.B) {
	for _, batch := range []int{1, 16} {
		b.Run(strconv.Itoa(batch), func(b *testing.B) {
			key := ipctest.Key(b)
			c := chanOf[cellMessage](b, ensure(b, key), "c", 1024)
			p := ipctest.Start(b, chanSink, nil, sysvipc.Key(key).String(), strconv.Itoa(batch))
			p.Expect("ready")
			buf := make([]cellMessage, batch)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += batch {
				if batch == 1 {
					_ = c.Send(background, cellMessage{int64(n)})
				} else {
					_, _ = c.SendBatch(background, buf)
				}
			}
			_ = c.Close()
			p.Line()
			b.StopTimer()
			p.Finish()
		})
	}
}

func BenchmarkChanTwoByTwo(b *testing.B) {
	key := ipctest.Key(b)
	c := chanOf[cellMessage](b, ensure(b, key), "c", 1024)
	var all []*ipctest.Process
	for i := range 4 {
		role, args := chanSource, []string{sysvipc.Key(key).String()}
		if i >= 2 {
			role, args = chanSink, append(args, "1")
		}
		p := ipctest.Start(b, role, nil, args...)
		p.Expect("ready")
		all = append(all, p)
	}
	b.ResetTimer()
	all[0].Tell(strconv.Itoa((b.N + 1) / 2))
	all[1].Tell(strconv.Itoa((b.N + 1) / 2))
	all[0].Expect("sent")
	all[1].Expect("sent")
	_ = c.Close()
	all[2].Line()
	all[3].Line()
	b.StopTimer()
	for _, p := range all {
		p.Finish()
	}
}

func BenchmarkChanHere(b *testing.B) {
	c := chanOf[cellMessage](b, ensure(b, ipctest.Key(b)), "c", 1024)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Send(background, cellMessage{1})
		_, _ = c.Receive(background)
	}
}
