package shared_test

import (
	"context"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

var lastOfMany = ipctest.Register("last of many", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.OpenKey(context.Background(), key)
	c.Check(err)
	topic, err := shared.TopicOf[int64](r, "topic", 4)
	c.Check(err)
	_, err = topic.Subscribe(shared.Gated)
	c.Check(err)
	rw, err := shared.RWMutexOf(r, "rwmutex")
	c.Check(err)
	c.Check(rw.RLock(context.Background()))
	c.Say("there")
	c.Listen() // until it is killed
})

// A death is noticed among more participants than the kernel takes words to wait for.
func TestManyParticipants(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key := sysvipc.Key(ipctest.Key(t))
	r, err := shared.EnsureKey(ctx, key, &shared.Options{Size: 1 << 20, Participants: 160})
	mustDo(t, err)
	defer r.Close()
	for range 135 {
		other, err := shared.OpenKey(ctx, key)
		mustDo(t, err)
		defer other.Close()
	}
	p := ipctest.Start(t, lastOfMany, nil, key.String())
	p.Expect("there")
	topic, err := shared.TopicOf[int64](r, "topic", 4)
	mustDo(t, err)
	rw, err := shared.RWMutexOf(r, "rwmutex")
	mustDo(t, err)
	for i := range int64(4) {
		mustDo(t, topic.Publish(ctx, i))
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := topic.Publish(short, 4); err == nil {
		t.Fatal("the gate is open")
	}
	done := make(chan error, 2)
	go func() { done <- topic.Publish(ctx, 4) }()
	go func() { done <- rw.Lock(ctx) }()
	p.Kill()
	mustDo(t, <-done, <-done, rw.Unlock())
}
