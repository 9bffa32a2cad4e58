with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
    where customer_id is not null
),

dated as (
    select
        *,
        cast(invoiced_on as {{ dbt.type_string() }}) || load_id
        || lpad(cast(file_row as {{ dbt.type_string() }}), 12, '0') as arrival
    from lines
),

final as (
    select
        customer_id,
        max_by(customer_number, arrival) filter (where customer_number is not null)
            as customer_number,
        max_by(customer_name, arrival) filter (where customer_name is not null) as customer_name,
        max_by(email, arrival) filter (where email is not null) as email
    from dated
    group by customer_id
)

select * from final
