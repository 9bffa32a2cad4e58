with

-- Day and time of day may stand in columns of their own.
recipients as (
    select
        *,
        lower({{ cleaned_text('email') }}) as address,
        coalesce(
            {{ cleaned_text('created_at') }},
            cast({{ parse_date('created_on', '_date_order') }} as {{ dbt.type_string() }})
            || coalesce(' ' || {{ cleaned_text('created_time') }}, '')
        ) as created,
        coalesce(
            {{ cleaned_text('activated_at') }},
            cast({{ parse_date('activated_on', '_date_order') }} as {{ dbt.type_string() }})
            || coalesce(' ' || {{ cleaned_text('activated_time') }}, '')
        ) as activated
    from {{ source('raw_rapidmail', 'recipients') }}
),

ranked as (
    select
        *,
        row_number() over (partition by address order by _load_id desc, _row desc) as version_rank
    from recipients
),

final as (
    select
        _load_id || ':' || _row as version_id,
        address as email,
        {{ cleaned_text('status') }} as source_status,
        {{ parse_timestamp('created') }} as signed_up_at,
        coalesce(created like '%:%', false) as has_sign_up_time,
        {{ cleaned_text('created_ip') }} as signed_up_ip,
        {{ parse_timestamp('activated') }} as confirmed_at,
        coalesce(activated like '%:%', false) as has_confirmation_time,
        {{ cleaned_text('activated_ip') }} as confirmed_ip,
        {{ parse_timestamp('updated_at') }} as changed_at,
        coalesce(updated_at like '%:%', false) as has_change_time,
        {{ cleaned_text('salutation') }} as salutation,
        {{ cleaned_text('first_name') }} as first_name,
        {{ cleaned_text('last_name') }} as last_name,
        {{ cleaned_text('company') }} as company_name,
        {{ cleaned_text('customer_number') }} as customer_number,
        {{ cleaned_text('postcode') }} as postcode,
        {{ parse_date('birthday', '_date_order') }} as birthday_on,
        lower({{ cleaned_text('language') }}) as language,
        {{ cleaned_text('interests') }} as interests,
        version_rank = 1 as is_current,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _file as file_name,
        _row as file_row
    from ranked
)

select * from final
