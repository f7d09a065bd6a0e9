{{- /*
The sidecar without injection, for Deployments of your own charts: the same container as the injector adds, held so by a
test. Depend on this chart with injector.enabled=false, make `$sidecar`, and include what stands below in the pod:

  {{- $sidecar := dict "chart" (index .Subcharts "feature-sidecar") "settings" (dict "policy" "features") }}
  metadata:
    labels:
      {{- include "feature-sidecar.podLabels" $sidecar | nindent 6 }}
  spec:
    initContainers:
      {{- include "feature-sidecar.initContainers" $sidecar | nindent 6 }}
    containers:
      {{- include "feature-sidecar.containers" $sidecar | nindent 6 }}
      - name: model
        volumeMounts:
          {{- include "feature-sidecar.volumeMounts" $sidecar | nindent 10 }}
        env:
          {{- include "feature-sidecar.env" $sidecar | nindent 10 }}
    volumes:
      {{- include "feature-sidecar.volumes" $sidecar | nindent 6 }}

`settings` go over the values under `sidecar`, by the names of the annotations, as texts. Beside them the dict may have
`hasFsGroup` (true where the pod has an fsGroup) and `gracePeriod` (the pod's, in seconds, unless 30). A list that
comes out empty is null to Kubernetes. What the injector checks (names that clash, values out of range) is not checked.
*/}}

{{- /* Everything that is set, as YAML. */}}
{{- define "feature-sidecar.effective" -}}
{{- $settings := dict "native" "auto" "origin" "sqlite:////var/lib/feature-sidecar/features.db" "port" "6379"
      "socket" "true" "socket-mode" "auto" "env" "off" "admin-port" "8379" "cpu-request" "100m" "policy-key" "policy.yaml"
      "snapshot" "false" "log-level" "info" "log-format" "json" "prestop-sleep" "5s" "run-as-user" "65532"
      "run-as-group" "65532" }}
{{- $settings = mergeOverwrite $settings (include "feature-sidecar.settings" .chart | fromYaml) }}
{{- range $name, $value := .settings }}
{{- $_ := set $settings $name (include "feature-sidecar.text" $value) }}
{{- end }}
{{- $native := get $settings "native" }}
{{- if eq $native "auto" }}
{{- $native = ternary "true" "false" (semverCompare ">=1.29-0" .chart.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- $_ := set $settings "native" $native }}
{{- $state := or (eq (get $settings "snapshot") "true") (hasKey $settings "state-volume") (hasPrefix "sqlite:" (get $settings "origin")) }}
{{- $_ := set $settings "needs-state" (toString $state) }}
{{- toYaml $settings }}
{{- end }}

{{- /* Megabytes of a size such as 256MiB. */}}
{{- define "feature-sidecar.mebibytes" -}}
{{- if regexMatch "^[0-9]+GiB$" . }}{{ mul 1024 (trimSuffix "GiB" . | int) }}
{{- else if regexMatch "^[0-9]+MiB$" . }}{{ trimSuffix "MiB" . }}
{{- else }}{{ fail (printf "max-memory: found %q, expected whole MiB or GiB in the standalone mode" .) }}
{{- end }}
{{- end }}

{{- define "feature-sidecar.podLabels" -}}
feature-sidecar.io/injected: "true"
feature-sidecar.io/inject: "false"
{{- end }}

{{- define "feature-sidecar.initContainers" -}}
{{- if eq (include "feature-sidecar.effective" . | fromYaml).native "true" }}
{{- include "feature-sidecar.container" . }}
{{- end }}
{{- end }}

{{- define "feature-sidecar.containers" -}}
{{- if ne (include "feature-sidecar.effective" . | fromYaml).native "true" }}
{{- include "feature-sidecar.container" . }}
{{- end }}
{{- end }}

{{- define "feature-sidecar.volumeMounts" -}}
{{- if eq (include "feature-sidecar.effective" . | fromYaml).socket "true" }}
- {name: feature-sidecar-socket, mountPath: /run/feature-sidecar, readOnly: true}
{{- end }}
{{- end }}

{{- define "feature-sidecar.env" -}}
{{- $settings := include "feature-sidecar.effective" . | fromYaml }}
{{- if has $settings.env (list "tcp" "true") }}
- {name: REDIS_URL, value: "redis://127.0.0.1:{{ $settings.port }}/0"}
- {name: FEATURE_SIDECAR_ADDR, value: "tcp://127.0.0.1:{{ $settings.port }}"}
{{- else if eq $settings.env "unix" }}
- {name: REDIS_URL, value: "unix:///run/feature-sidecar/redis.sock"}
- {name: FEATURE_SIDECAR_ADDR, value: "unix:///run/feature-sidecar/redis.sock"}
{{- end }}
{{- end }}

{{- define "feature-sidecar.volumes" -}}
{{- $settings := include "feature-sidecar.effective" . | fromYaml }}
{{- if eq $settings.socket "true" }}
- name: feature-sidecar-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end }}
{{- with $settings.policy }}
- name: feature-sidecar-policy
  configMap: {name: {{ . | quote }}}
{{- end }}
{{- with get $settings "origin-secret" }}
- name: feature-sidecar-origin
  secret: {secretName: {{ . | quote }}, defaultMode: 0444}
{{- end }}
{{- with get $settings "origin-certificate" }}
- name: feature-sidecar-certificate
  secret: {secretName: {{ . | quote }}, defaultMode: 0444}
{{- end }}
{{- with get $settings "origin-ca" }}
- name: feature-sidecar-ca
  configMap: {name: {{ . | quote }}}
{{- end }}
{{- if and (eq (get $settings "needs-state") "true") (not (hasKey $settings "state-volume")) }}
- name: feature-sidecar-state
  emptyDir: {}
{{- end }}
{{- end }}

{{- define "feature-sidecar.arguments" -}}
{{- $settings := include "feature-sidecar.effective" . | fromYaml }}
{{- $words := list "serve" }}
{{- if ne $settings.port "0" }}
{{- $words = concat $words (list "--listen" (printf "tcp://127.0.0.1:%s" $settings.port)) }}
{{- end }}
{{- if eq $settings.socket "true" }}
{{- $mode := get $settings "socket-mode" }}
{{- if eq $mode "auto" }}{{ $mode = ternary "0660" "0666" (default false .hasFsGroup) }}{{ end }}
{{- $words = concat $words (list "--listen" "unix:///run/feature-sidecar/redis.sock" "--unix-socket-mode" $mode) }}
{{- end }}
{{- $words = concat $words (list "--admin" (printf "[::]:%s" (get $settings "admin-port")) "--origin" $settings.origin) }}
{{- if $settings.policy }}
{{- $words = concat $words (list "--policy" (printf "/etc/feature-sidecar/policy/%s" (get $settings "policy-key"))) }}
{{- end }}
{{- if get $settings "origin-secret" }}
{{- $words = concat $words (list "--origin-password-file" "/etc/feature-sidecar/origin/password") }}
{{- end }}
{{- if get $settings "origin-certificate" }}
{{- $words = concat $words (list "--origin-certificate" "/etc/feature-sidecar/certificate/tls.crt") }}
{{- $words = concat $words (list "--origin-key" "/etc/feature-sidecar/certificate/tls.key") }}
{{- end }}
{{- if get $settings "origin-ca" }}
{{- $words = concat $words (list "--origin-ca" "/etc/feature-sidecar/ca/ca.crt") }}
{{- end }}
{{- if eq $settings.snapshot "true" }}
{{- $words = concat $words (list "--snapshot" "/var/lib/feature-sidecar/snapshot") }}
{{- end }}
{{- range list "max-memory" "max-clients" "max-client-memory" "client-output-limit" "idle-timeout" "log-level" "log-format" }}
{{- if hasKey $settings . }}
{{- $words = concat $words (list (printf "--%s" .) (get $settings .)) }}
{{- end }}
{{- end }}
{{- range $words }}
- {{ . | replace "$(" "$$(" | quote }}
{{- end }}
{{- end }}

{{- define "feature-sidecar.container" -}}
{{- $settings := include "feature-sidecar.effective" . | fromYaml }}
{{- $native := eq $settings.native "true" }}
{{- $admin := get $settings "admin-port" }}
{{- $memory := include "feature-sidecar.mebibytes" (default "256MiB" (get $settings "max-memory")) }}
- name: feature-sidecar
  image: {{ $settings.image | quote }}
  imagePullPolicy: {{ get $settings "image-pull-policy" }}
  args:
    {{- include "feature-sidecar.arguments" . | nindent 4 }}
  {{- if or (get $settings "origin-secret") (eq (get $settings "needs-state") "true") }}
  env:
    {{- with get $settings "origin-secret" }}
    - name: SIDECAR_ORIGIN_USERNAME
      valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: username}}
    {{- end }}
    {{- if eq (get $settings "needs-state") "true" }}
    - {name: TMPDIR, value: /var/lib/feature-sidecar}
    {{- end }}
  {{- end }}
  ports:
    - {name: sidecar-admin, containerPort: {{ $admin }}, protocol: TCP}
  resources:
    requests:
      cpu: {{ get $settings "cpu-request" | quote }}
      memory: {{ default (printf "%dMi" (add $memory 128)) (get $settings "memory-request") | quote }}
    limits:
      memory: {{ default (printf "%dMi" (add $memory 256)) (get $settings "memory-limit") | quote }}
      {{- with get $settings "cpu-limit" }}
      cpu: {{ . | quote }}
      {{- end }}
  volumeMounts:
    {{- if eq $settings.socket "true" }}
    - {name: feature-sidecar-socket, mountPath: /run/feature-sidecar}
    {{- end }}
    {{- if $settings.policy }}
    - {name: feature-sidecar-policy, mountPath: /etc/feature-sidecar/policy, readOnly: true}
    {{- end }}
    {{- if get $settings "origin-secret" }}
    - {name: feature-sidecar-origin, mountPath: /etc/feature-sidecar/origin, readOnly: true}
    {{- end }}
    {{- if get $settings "origin-certificate" }}
    - {name: feature-sidecar-certificate, mountPath: /etc/feature-sidecar/certificate, readOnly: true}
    {{- end }}
    {{- if get $settings "origin-ca" }}
    - {name: feature-sidecar-ca, mountPath: /etc/feature-sidecar/ca, readOnly: true}
    {{- end }}
    {{- if eq (get $settings "needs-state") "true" }}
    - {name: {{ default "feature-sidecar-state" (get $settings "state-volume") | quote }}, mountPath: /var/lib/feature-sidecar}
    {{- end }}
  startupProbe:
    httpGet: {path: /readyz, port: {{ $admin }}, scheme: HTTP}
    periodSeconds: 1
    timeoutSeconds: 2
    failureThreshold: 300
  readinessProbe:
    httpGet: {path: /readyz, port: {{ $admin }}, scheme: HTTP}
    periodSeconds: 5
    timeoutSeconds: 2
    failureThreshold: 2
  livenessProbe:
    httpGet: {path: /healthz, port: {{ $admin }}, scheme: HTTP}
    periodSeconds: 10
    timeoutSeconds: 2
    failureThreshold: 3
  {{- if $native }}
  restartPolicy: Always
  {{- else }}
  {{- $grace := default 30 .gracePeriod | int }}
  lifecycle:
    postStart:
      exec:
        command: [feature-sidecar, wait, --admin, "127.0.0.1:{{ $admin }}", --timeout, 300s]
    {{- $sleep := min (include "feature-sidecar.seconds" (get $settings "prestop-sleep")) (sub $grace 3) }}
    {{- if gt $sleep 0 }}
    preStop:
      exec:
        command: [sleep, "{{ $sleep }}"]
    {{- end }}
  {{- end }}
  securityContext:
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL]}
    privileged: false
    readOnlyRootFilesystem: true
    runAsNonRoot: true
    seccompProfile: {type: RuntimeDefault}
    {{- range $key, $name := dict "runAsUser" "run-as-user" "runAsGroup" "run-as-group" }}
    {{- if ne (get $settings $name) "image" }}
    {{ $key }}: {{ get $settings $name }}
    {{- end }}
    {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{- /* Seconds of a duration such as 5s or 1m. */}}
{{- define "feature-sidecar.seconds" -}}
{{- if regexMatch "^[0-9]+s$" . }}{{ trimSuffix "s" . }}
{{- else if regexMatch "^[0-9]+m$" . }}{{ mul 60 (trimSuffix "m" . | int) }}
{{- else }}{{ fail (printf "prestop-sleep: found %q, expected whole seconds or minutes such as 5s" .) }}
{{- end }}
{{- end }}
