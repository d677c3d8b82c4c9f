package admin

import (
	"context"
	"errors"
	"net/http"
)

var errHangs = errors.New("the agent's loop does not answer")

// rescan answers once a scan has begun, not when it is over.
func (s *Server) rescan(w http.ResponseWriter, r *http.Request) {
	s.control(w, r, func(ctx context.Context, src Source) (any, error) {
		return struct{}{}, src.Rescan(ctx)
	})
}

// refresh answers once the requests are due, not when they are answered.
func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	paths := r.URL.Query()["path"]
	s.control(w, r, func(ctx context.Context, src Source) (any, error) {
		due, err := src.Refresh(ctx, paths)
		return struct {
			Due int `json:"due"`
		}{due}, err
	})
}

func (s *Server) control(w http.ResponseWriter, r *http.Request, act func(context.Context, Source) (any, error)) {
	src, _ := s.shots.current()
	if src == nil {
		unavailable(w, errNoAgent)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), snapshotTimeout, errHangs)
	defer cancel()
	result, err := act(ctx, src)
	if err != nil {
		unavailable(w, err)
		return
	}
	reply(w, http.StatusAccepted, result)
}

func onSocketOnly(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "taken on a Unix socket only: set admin.listen to unix:/path", http.StatusForbidden)
}
