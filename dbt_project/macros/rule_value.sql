{#- One parameter of a seed of rules (parameter, value), for use in an aggregate over that seed. -#}
{% macro rule_value(parameter) -%}
    max(case when parameter = '{{ parameter }}' then value end)
{%- endmacro %}
