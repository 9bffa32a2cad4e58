{#- Of the signals of one kind that were known by a moment the last, as one text: its time (ISO 8601,
    UTC, 27 characters), its event (32) and what it says. -#}
{% macro last_signal(signal) -%}
max(case when signal = '{{ signal }}' then said end) over (
            partition by subject, controller, purpose
            order by known_at
            range between unbounded preceding and current row
        )
{%- endmacro %}

{% macro time_of(said) -%}
cast(left({{ said }}, 27) as timestamp with time zone)
{%- endmacro %}

{% macro event_of(said) -%}
substring({{ said }}, 29, 32)
{%- endmacro %}

{% macro detail_of(said) -%}
substring({{ said }}, 62)
{%- endmacro %}
