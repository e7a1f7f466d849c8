{{/* A pod that does one thing and ends. It may run before anything else of the release exists. Arguments: root, process, args. */}}
{{- define "d2ev.oneshot" -}}
metadata:
  labels:
    {{- include "d2ev.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
spec:
  {{- include "d2ev.oneshotSpec" . | nindent 2 }}
{{- end -}}

{{- define "d2ev.oneshotSpec" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "d2ev.podSecurity" .root | nindent 2 }}
containers:
  - name: d2ev
    image: {{ include "d2ev.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [{{ .args }}]
    securityContext:
      {{- include "d2ev.containerSecurity" .root | nindent 6 }}
    env:
      {{- range $name, $value := include "d2ev.settings" .root | fromYaml }}
      - { name: {{ $name }}, value: {{ $value | quote }} }
      {{- end }}
      {{- include "d2ev.secrets" . | nindent 6 }}
      {{- with include "d2ev.login" . }}
      {{- . | nindent 6 }}
      {{- end }}
    resources:
      requests: { cpu: 100m, memory: 192Mi }
      limits: { memory: 512Mi }
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      {{- if include "d2ev.ca" .root }}
      - { name: kafka-ca, mountPath: /etc/d2ev/kafka, readOnly: true }
      {{- end }}
volumes:
  - name: tmp
    emptyDir: { sizeLimit: 256Mi }
  {{- with include "d2ev.ca" .root }}
  - name: kafka-ca
    secret: { secretName: {{ . }}, items: [{ key: ca.crt, path: ca.crt }] }
  {{- end }}
{{- end -}}
