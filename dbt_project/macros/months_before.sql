{#- The same day so many months earlier; the last day of a month that is shorter. -#}
{% macro months_before(day, months) -%}
    cast({{ dbt.dateadd('month', '-1 * (' ~ months ~ ')', day) }} as date)
{%- endmacro %}
