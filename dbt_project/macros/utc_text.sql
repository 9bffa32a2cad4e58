{#- A moment as text that is the same in every time zone of a session: ISO 8601, UTC. -#}
{% macro utc_text(moment) -%}
    {{ return(adapter.dispatch('utc_text')(moment)) }}
{%- endmacro %}

{% macro duckdb__utc_text(moment) -%}
    strftime({{ moment }} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
{%- endmacro %}

{% macro spark__utc_text(moment) -%}
    date_format(
        to_utc_timestamp({{ moment }}, current_timezone()), "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
    )
{%- endmacro %}
