{{- define "restaple.name" -}}
{{- .Values.name | default .Release.Name -}}
{{- end }}

{{- define "restaple.labels" -}}
app.kubernetes.io/name: {{ include "restaple.name" . }}
{{- end }}

{{- define "restaple.isHAProxy" -}}
{{- if eq .Values.server "haproxy" -}}yes{{- else if ne .Values.server "nginx" -}}{{- fail "server must be nginx or haproxy" -}}{{- end -}}
{{- end }}

{{- define "restaple.config" -}}
{{- if .Values.config.restaple -}}
{{ .Values.config.restaple }}
{{- else if include "restaple.isHAProxy" . -}}
{{ .Files.Get (printf "files/restaple-haproxy-%s.yaml" .Values.haproxyTold) | required "haproxyTold must be socket or signal" }}
{{- else -}}
{{ .Files.Get "files/restaple-nginx.yaml" }}
{{- end -}}
{{- end }}

{{- define "restaple.serverConfig" -}}
{{- if include "restaple.isHAProxy" . -}}
{{ .Values.config.haproxy | default (.Files.Get "files/haproxy.cfg") }}
{{- else -}}
{{ .Values.config.nginx | default (.Files.Get "files/site.conf") }}
{{- end -}}
{{- end }}

{{- define "restaple.locked" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end }}
