package schedule

import (
	"container/heap"
	"time"
)

// Slot is what a Queue keeps in its members, which embed it.
type Slot struct {
	At    time.Time // when to look at it next
	place int       // in the heap, counted from 1; 0: not in it
}

func (s *Slot) slot() *Slot { return s }

// Queue orders members by when to look at them next; to change that of one
// among n takes O(log n). The zero Queue is empty.
type Queue[T interface{ slot() *Slot }] struct{ members slots[T] }

// Set puts m in its place for m.At; a zero time takes it out.
func (q *Queue[T]) Set(m T) {
	s := m.slot()
	switch in := s.place > 0; {
	case s.At.IsZero() && in:
		heap.Remove(&q.members, s.place-1)
	case s.At.IsZero():
	case in:
		heap.Fix(&q.members, s.place-1)
	default:
		heap.Push(&q.members, m)
	}
}

// First returns the member that is due first, and when; false if there is
// none.
func (q *Queue[T]) First() (m T, at time.Time, ok bool) {
	if len(q.members) == 0 {
		return m, at, false
	}
	m = q.members[0]
	return m, m.slot().At, true
}

type slots[T interface{ slot() *Slot }] []T

func (s slots[T]) Len() int           { return len(s) }
func (s slots[T]) Less(i, j int) bool { return s[i].slot().At.Before(s[j].slot().At) }
func (s slots[T]) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].slot().place, s[j].slot().place = i+1, j+1
}

// Push implements heap.Interface.
func (s *slots[T]) Push(x any) {
	m := x.(T)
	*s = append(*s, m)
	m.slot().place = len(*s)
}

// Pop implements heap.Interface.
func (s *slots[T]) Pop() any {
	var none T
	last := len(*s) - 1
	m := (*s)[last]
	(*s)[last] = none
	*s = (*s)[:last]
	m.slot().place = 0
	return m
}
