package answer

import "container/heap"

// dueQueue orders entries by when to look at them next.
type dueQueue []*entry

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *dueQueue) Push(x any) {
	s := x.(*entry)
	s.index = len(*q)
	*q = append(*q, s)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	old := *q
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	s.index = -1
	return s
}

// set puts s in its place for s.at; a zero time takes it out.
func (q *dueQueue) set(s *entry) {
	switch {
	case s.at.IsZero() && s.index >= 0:
		heap.Remove(q, s.index)
	case s.at.IsZero():
	case s.index >= 0:
		heap.Fix(q, s.index)
	default:
		heap.Push(q, s)
	}
}
