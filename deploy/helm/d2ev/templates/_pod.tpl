{{/*
The pod of a process. Arguments: root, process (its command), values (its part of the values), and as YAML text
env, ports, volumes, mounts; scratch is the size of /tmp, startup how long it may take until it is ready.
Liveness asks /healthz, which never depends on Kafka or a maker's cloud: an outage restarts nobody.
*/}}
{{- define "d2ev.pod" -}}
metadata:
  labels:
    {{- include "d2ev.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
  annotations:
    checksum/settings: {{ include "d2ev.settings" .root | sha256sum }}
    {{- with .checksum }}
    checksum/file: {{ . }}
    {{- end }}
spec:
  serviceAccountName: {{ include "d2ev.fullname" .root }}
  automountServiceAccountToken: false
  # Or each Service of ours would set variables such as D2EV_API_PORT, which a process refuses.
  enableServiceLinks: false
  terminationGracePeriodSeconds: 40
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "d2ev.podSecurity" .root | nindent 4 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "d2ev.selector" .root | nindent 10 }}
          app.kubernetes.io/component: {{ .process }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: d2ev
      image: {{ include "d2ev.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .process }}]
      securityContext:
        {{- include "d2ev.containerSecurity" .root | nindent 8 }}
      envFrom:
        - configMapRef: { name: {{ include "d2ev.fullname" .root }} }
      env:
        {{- include "d2ev.secrets" . | nindent 8 }}
        {{- with include "d2ev.login" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
      ports:
        - { name: health, containerPort: 8099 }
        {{- with .ports }}
        {{- . | nindent 8 }}
        {{- end }}
      startupProbe:
        httpGet: { path: /readyz, port: health }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: {{ div (.startup | default 300) 5 }}
      livenessProbe:
        httpGet: { path: /healthz, port: health }
        periodSeconds: 15
        timeoutSeconds: 10
        failureThreshold: 8
      readinessProbe:
        httpGet: { path: /readyz, port: health }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        {{- if include "d2ev.ca" .root }}
        - { name: kafka-ca, mountPath: /etc/d2ev/kafka, readOnly: true }
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: { sizeLimit: {{ .scratch | default "256Mi" }} }
    {{- with include "d2ev.ca" .root }}
    - name: kafka-ca
      secret: { secretName: {{ . }}, items: [{ key: ca.crt, path: ca.crt }] }
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* A Deployment of a process and the Service that finds it. Arguments as for the pod, and door: a port that others call. */}}
{{- define "d2ev.deployment" -}}
{{- $name := printf "%s-%s" (include "d2ev.fullname" .root) .process -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "d2ev.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
spec:
  replicas: {{ .values.replicas | default 1 }}
  {{- if .alone }}
  strategy: { type: Recreate }
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }
  {{- end }}
  selector:
    matchLabels:
      {{- include "d2ev.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .process }}
  template:
    {{- include "d2ev.pod" . | nindent 4 }}
---
{{ include "d2ev.service" . }}
{{- if gt (int (.values.replicas | default 1)) 1 }}
---
{{ include "d2ev.budget" . }}
{{- end }}
{{- end -}}

{{/* Without a door the Service has no address: it is there for DNS and Prometheus. */}}
{{- define "d2ev.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "d2ev.fullname" .root }}-{{ .process }}
  labels:
    {{- include "d2ev.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
spec:
  {{- if not .door }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "d2ev.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
  ports:
    - { name: health, port: 8099, targetPort: health }
    {{- with .door }}
    - { name: http, port: 80, targetPort: http }
    {{- end }}
{{- end -}}

{{- define "d2ev.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "d2ev.fullname" .root }}-{{ .process }}
  labels:
    {{- include "d2ev.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .process }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "d2ev.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .process }}
{{- end -}}
