with

lines as (
    select * from {{ ref('stg_sales_list__lines') }}
),

keyed as (
    select
        *,
        {{ normalised_text('customer_number') }} as number_key,
        {{ normalised_text('email') }} as email_key,
        {{ normalised_text('customer_name') }} as name_key
    from lines
),

chosen as (
    select
        *,
        case
            when number_key is not null then 'customer_number'
            when email_key is not null then 'email'
            when name_key is not null then 'customer_name'
        end as customer_key_kind,
        coalesce(number_key, email_key, name_key) as customer_key
    from keyed
),

hashed as (
    select
        *,
        {{ dbt.hash("customer_key_kind || ':' || customer_key") }} as customer_key_hash
    from chosen
),

final as (
    select
        line_id,
        load_id,
        file_name,
        file_row,
        document_number,
        document_kind,
        -- Number ranges restart every year: a number alone names several documents.
        case
            when document_number is not null
                then 'number:' || document_number || ':'
                    || cast(extract(year from invoiced_on) as {{ dbt.type_string() }})
            else 'day:' || coalesce(customer_key_hash, '') || ':'
                || cast(invoiced_on as {{ dbt.type_string() }})
        end as document_key,
        invoiced_on,
        customer_key_kind,
        customer_key_hash,
        'c_' || left(customer_key_hash, 16) as customer_id,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        quantity,
        unit_price,
        line_amount_net
    from hashed
)

select * from final
