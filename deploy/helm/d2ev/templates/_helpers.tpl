{{- define "d2ev.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells this release's pods from others; never changes. */}}
{{- define "d2ev.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "d2ev.labels" -}}
{{ include "d2ev.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "d2ev.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What all processes are told, as a YAML map. The chart's own words come last, so that `settings` cannot change them. */}}
{{- define "d2ev.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
D2EV_APP_ID: {{ .Values.appId | quote }}
D2EV_BOOTSTRAP: {{ .Values.kafka.bootstrap | quote }}
D2EV_ENV: {{ .Values.env | quote }}
D2EV_HEALTH_PORT: "8099"
D2EV_KAFKA_PROTOCOL: {{ .Values.kafka.protocol | quote }}
{{- if eq .Values.kafka.protocol "SASL_SSL" }}
D2EV_KAFKA_MECHANISM: {{ .Values.kafka.mechanism | quote }}
{{- end }}
{{- if include "d2ev.ca" . }}
D2EV_KAFKA_CA: /etc/d2ev/kafka/ca.crt
{{- end }}
D2EV_PARTITIONS: {{ .Values.kafka.partitions | quote }}
D2EV_REPLICATION: {{ .Values.kafka.replication | quote }}
{{- end -}}

{{/* The Secret with the CA of Kafka, if it is one of its own. */}}
{{- define "d2ev.ca" -}}
{{- if ne .Values.kafka.protocol "PLAINTEXT" -}}
{{- .Values.kafka.caSecret | default (.Values.strimzi.enabled | ternary (printf "%s-cluster-ca-cert" .Values.strimzi.cluster) "") -}}
{{- end -}}
{{- end -}}

{{/* A process logs in under its own name, queries as an analyst; its password is in the Secret that Strimzi makes for it, or in ours. */}}
{{- define "d2ev.login" -}}
{{- if eq .root.Values.kafka.protocol "SASL_SSL" -}}
{{- $who := eq .process "queries" | ternary "analyst" .process -}}
{{- $user := printf "%s-%s" (include "d2ev.fullname" .root) $who -}}
- name: D2EV_KAFKA_USER
  value: {{ get .root.Values.kafka.users $who | default $user }}
- name: D2EV_KAFKA_PASSWORD
  valueFrom:
    {{- if .root.Values.strimzi.enabled }}
    secretKeyRef: { name: {{ $user }}, key: password }
    {{- else }}
    secretKeyRef: { name: {{ .root.Values.kafka.passwordsSecret }}, key: {{ $who }} }
    {{- end }}
{{- end -}}
{{- end -}}

{{/* Which secrets a process gets: only its own. Arguments: root, process. */}}
{{- define "d2ev.secrets" -}}
{{- $own := dict
  "worker" (list "D2EV_SEAL_KEYS_RETIRED" "D2EV_OEM_APPS" "D2EV_FCM_KEY" "D2EV_VAPID_KEY")
  "guardian" (list "D2EV_SEAL_KEYS_RETIRED" "D2EV_OEM_APPS")
  "feeds" (list "D2EV_FEED_KEYS")
  "api" (list "D2EV_SEAL_KEYS_RETIRED" "D2EV_OEM_APPS" "D2EV_ISSUERS" "D2EV_VAPID_KEY")
  "ingress" (list "D2EV_SEAL_KEYS_RETIRED" "D2EV_OEM_APPS")
  "bridge" (list "D2EV_SEAL_KEYS_RETIRED" "D2EV_FIRESTORE")
  "queries" (list "D2EV_PSEUDONYM_KEY")
  "topics" (list) -}}
- name: D2EV_SEAL_KEY
  valueFrom:
    secretKeyRef: { name: {{ .root.Values.existingSecret }}, key: D2EV_SEAL_KEY }
{{- range get $own .process }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: { name: {{ $.root.Values.existingSecret }}, key: {{ . }}, optional: true }
{{- end }}
{{- end -}}

{{- define "d2ev.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "d2ev.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
