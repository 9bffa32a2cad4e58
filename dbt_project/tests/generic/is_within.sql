{#- Null passes; whether it may be null is another question. -#}
{% test is_within(model, column_name, above='null', at_least='null', at_most='null') %}

select {{ column_name }}
from {{ model }}
where
    {{ column_name }} <= {{ above }}
    or {{ column_name }} < {{ at_least }}
    or {{ column_name }} > {{ at_most }}

{% endtest %}
